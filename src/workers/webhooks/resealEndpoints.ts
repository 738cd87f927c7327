import type { Connection } from 'mongoose';
import { secretOwner, signingPreviousSecrets, type WebhookEndpoint } from '../../domain/webhooks/endpoint.ts';
import { listEndpoints, resealSecrets } from '../../models/webhookEndpoints.ts';
import { type SecretBox, UnreadableSecretError } from '../../runtime/secretBox.ts';
import type { Run } from '../handlers.ts';

/**
 * Seals with the current key what an older one has sealed, so that the older one can be dropped.
 *
 * @returns how many endpoints were sealed anew
 */
export async function resealEndpoints(connection: Connection, box: SecretBox, run: Run): Promise<number> {
  let resealed = 0;
  for (const endpoint of await listEndpoints(connection)) {
    run.signal.throwIfAborted();
    if (isCurrent(box, endpoint)) continue;
    try {
      const owner = secretOwner(endpoint.id);
      const again = (sealed: string) => box.seal(box.open(sealed, owner), owner);
      await resealSecrets(connection, endpoint, {
        secret: again(endpoint.secret),
        previous_secrets: signingPreviousSecrets(endpoint, Date.now()).map(({ sealed, until }) => ({
          sealed: again(sealed),
          until,
        })),
      });
      resealed += 1;
    } catch (error) {
      if (!(error instanceof UnreadableSecretError)) throw error;
      run.logger.error(
        { endpoint_id: endpoint.id },
        'The secret of a webhook endpoint cannot be read: ENCRYPTION_KEY and ENCRYPTION_PREVIOUS_KEY are not the ones that sealed it',
      );
    }
  }
  return resealed;
}

/** What does not sign any more need not be readable. */
function isCurrent(box: SecretBox, endpoint: WebhookEndpoint): boolean {
  const previous = signingPreviousSecrets(endpoint, Date.now());
  return box.isCurrent(endpoint.secret) && previous.every(({ sealed }) => box.isCurrent(sealed));
}
