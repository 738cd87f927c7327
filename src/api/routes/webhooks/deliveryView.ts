import { z } from 'zod';
import { DELIVERY_STATES, type Delivery, type DeliveryAttempt } from '../../../domain/webhooks/delivery.ts';

const Instant = z.iso.datetime();

const Attempt = z
  .object({
    at: Instant,
    duration_ms: z.int(),
    status_code: z.int().nullable(),
    error: z.string().nullable().meta({ description: 'Why no answer came' }),
    response: z.string().nullable().meta({
      description: 'The beginning of the answer; what looks like a secret is covered',
    }),
  })
  .meta({ id: 'WebhookAttempt' });

export const DeliveryView = z
  .object({
    id: z.string().meta({ example: 'dlv_0b9d3f7a5c1e4b2d8a6f9e0c7d5b3a14' }),
    event_id: z.string().meta({ description: 'The `webhook-id` of every attempt' }),
    event_type: z.string(),
    state: z.enum(DELIVERY_STATES),
    reason: z.string().nullable().meta({ description: 'Why it failed or was cancelled' }),
    next_attempt_at: Instant.nullable(),
    created_at: Instant,
    attempts: z.array(Attempt).meta({ description: 'The latest 50, the eldest first' }),
  })
  .meta({ id: 'WebhookDelivery' });

export const DeliveryPage = z
  .object({ deliveries: z.array(DeliveryView), next_cursor: z.string().nullable() })
  .meta({ id: 'WebhookDeliveryPage' });

/** What a client sees of a delivery: not what was sent. */
export function deliveryView(delivery: Delivery): z.infer<typeof DeliveryView> {
  return {
    id: delivery.id,
    event_id: delivery.event_id,
    event_type: delivery.event_type,
    state: delivery.state,
    reason: delivery.reason ?? null,
    next_attempt_at: delivery.state === 'waiting' ? new Date(delivery.due_at).toISOString() : null,
    created_at: new Date(delivery.created_at).toISOString(),
    attempts: delivery.attempts.map(attemptView),
  };
}

function attemptView(attempt: DeliveryAttempt): z.infer<typeof Attempt> {
  return {
    at: new Date(attempt.at).toISOString(),
    duration_ms: attempt.duration_ms,
    status_code: attempt.status_code ?? null,
    error: attempt.error ?? null,
    response: attempt.response ?? null,
  };
}
