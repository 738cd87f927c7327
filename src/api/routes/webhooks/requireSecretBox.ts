import type { SecretBox } from '../../../runtime/secretBox.ts';
import { HttpError } from '../../errors.ts';
import type { WebhookRouteDependencies } from './dependencies.ts';

/** Something has to be configured first; trying again does not help. */
class NotConfiguredError extends HttpError {
  override name = 'NotConfiguredError';
  readonly status = 503;
}

/** @throws NotConfiguredError that says what to set */
export function requireSecretBox({ secretBox }: WebhookRouteDependencies): SecretBox {
  if (secretBox) return secretBox;
  throw new NotConfiguredError(
    'Webhooks need a key that encrypts their secrets: set ENCRYPTION_KEY to an id, a colon and 32 bytes in base64, for example from: echo "k1:$(openssl rand -base64 32)"',
  );
}
