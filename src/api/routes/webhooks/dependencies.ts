import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import type { Environment } from '../../../../config/env.ts';
import type { OpenQueues } from '../../../producers/queues.ts';
import { webhookDeliveriesQueue } from '../../../queues/webhooks.ts';
import { OutboundHosts } from '../../../runtime/outboundHosts.ts';
import { openSecretBox, type SecretBox } from '../../../runtime/secretBox.ts';

/** What the webhook routes work with. */
export interface WebhookRouteDependencies {
  readonly connection: Connection;
  /** The queue of the deliveries. */
  readonly queue: Queue;
  /** Where receivers may be. */
  readonly hosts: OutboundHosts;
  /** Also ports below 1024 other than 80 and 443. */
  readonly anyPort: boolean;
  /** Absent while no key is configured: there are no webhooks then. */
  readonly secretBox: SecretBox | undefined;
}

/** As the environment says. */
export function webhookDependencies(
  environment: Environment,
  connection: Connection,
  queues: OpenQueues,
): WebhookRouteDependencies {
  const anywhere = environment.WEBHOOKS_ALLOW_PRIVATE;
  return {
    connection,
    queue: queues.of(webhookDeliveriesQueue),
    hosts: new OutboundHosts({ allowPrivate: anywhere }),
    anyPort: anywhere,
    secretBox: openSecretBox(environment.ENCRYPTION_KEY, environment.ENCRYPTION_PREVIOUS_KEY),
  };
}
