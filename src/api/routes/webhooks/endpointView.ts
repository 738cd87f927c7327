import { z } from 'zod';
import {
  ENDPOINT_STATUSES,
  SUBSCRIPTIONS,
  signingPreviousSecrets,
  type WebhookEndpoint,
} from '../../../domain/webhooks/endpoint.ts';

const Instant = z.iso.datetime();

export const Endpoint = z
  .object({
    id: z.string().meta({ example: 'whe_5f0c7a1e9b3d4c2a8f6e1d0b' }),
    url: z.string(),
    events: z.array(z.enum(SUBSCRIPTIONS)),
    description: z.string(),
    status: z.enum(ENDPOINT_STATUSES),
    disabled_reason: z.string().nullable(),
    failing_since: Instant.nullable().meta({ description: 'First failure since the last success' }),
    previous_secret_until: Instant.nullable().meta({
      description: 'Until then the secret before the last rotation signs too',
    }),
    created_at: Instant,
    updated_at: Instant,
  })
  .meta({ id: 'Webhook' });

export const EndpointWithSecret = Endpoint.extend({
  secret: z.string().meta({
    example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    description: 'Shown this once; receivers verify signatures with it',
  }),
}).meta({ id: 'WebhookWithSecret' });

export const EndpointList = z.object({ webhooks: z.array(Endpoint) }).meta({ id: 'WebhookList' });

/** What a client sees of an endpoint: never a secret. */
export function endpointView(endpoint: WebhookEndpoint): z.infer<typeof Endpoint> {
  const [previous] = signingPreviousSecrets(endpoint, Date.now());
  return {
    id: endpoint.id,
    url: endpoint.url,
    events: [...endpoint.events],
    description: endpoint.description,
    status: endpoint.status,
    disabled_reason: endpoint.disabled_reason ?? null,
    failing_since: instantText(endpoint.failing_since),
    previous_secret_until: instantText(previous?.until),
    created_at: new Date(endpoint.created_at).toISOString(),
    updated_at: new Date(endpoint.updated_at).toISOString(),
  };
}

function instantText(milliseconds: number | undefined): string | null {
  return milliseconds === undefined ? null : new Date(milliseconds).toISOString();
}
