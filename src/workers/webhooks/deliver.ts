import type { Connection } from 'mongoose';
import {
  type Delivery,
  type DeliveryAttempt,
  OPEN_STATES,
  retryDelay,
  verdictOf,
} from '../../domain/webhooks/delivery.ts';
import {
  FAILING_LIMIT_MILLISECONDS,
  secretOwner,
  signingPreviousSecrets,
  type WebhookEndpoint,
} from '../../domain/webhooks/endpoint.ts';
import { excerptOf } from '../../domain/webhooks/excerpt.ts';
import { signedHeaders } from '../../domain/webhooks/signature.ts';
import {
  type AttemptEnd,
  cancelDelivery,
  claimDelivery,
  concludeAttempt,
  DELIVERY_LEASE_MILLISECONDS,
  type DeliveryLease,
  findDelivery,
  redeliver,
  releaseDelivery,
} from '../../models/webhookDeliveries.ts';
import { disableEndpoint, findEndpoint, noteFailure, noteSuccess } from '../../models/webhookEndpoints.ts';
import type { WebhookAnswer, WebhookClient } from '../../platforms/webhooks.ts';
import type { webhookDeliveriesQueue } from '../../queues/webhooks.ts';
import { type SecretBox, UnreadableSecretError } from '../../runtime/secretBox.ts';
import type { Handlers, Run } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import { EndpointLanes } from './endpointLanes.ts';

export interface DeliverDependencies {
  readonly connection: Connection;
  readonly client: WebhookClient;
  /** Absent while no key is configured: nothing can be signed then, and deliveries wait. */
  readonly secretBox: SecretBox | undefined;
  /** Waits between the attempts, in milliseconds. */
  readonly retryDelays: readonly number[];
}

/** A wrong or missing key is mended by somebody, which takes a while. */
const KEY_WAIT_MILLISECONDS = 5 * 60_000;

/**
 * Makes the next attempt of a delivery. What is due, and whose turn it is, stands in MongoDB; the job comes back until the
 * delivery has ended. Two jobs for one delivery do no harm: one of them gets the lease.
 */
export function createDeliver(
  dependencies: DeliverDependencies,
): Handlers<typeof webhookDeliveriesQueue>['deliver'] {
  const { connection, client, secretBox, retryDelays } = dependencies;
  const lanes = new EndpointLanes();

  return async ({ delivery_id: deliveryId }, run) => {
    const delivery = await openDelivery(deliveryId, run);
    if (!delivery) return { kind: 'cancelled', reason: 'The delivery is no longer there' };
    if (!OPEN_STATES.includes(delivery.state)) return outcomeOf(delivery);
    const endpoint = await findEndpoint(connection, delivery.endpoint_id);
    if (endpoint?.status !== 'enabled') {
      const reason = endpoint ? 'The endpoint is disabled' : 'The endpoint was deleted';
      await cancelDelivery(connection, deliveryId, reason);
      return { kind: 'cancelled', reason };
    }
    if (delivery.due_at > Date.now()) return notBefore(delivery.due_at, 'not due yet');
    const secrets = openSecrets(endpoint, run);
    if (!secrets) return notBefore(Date.now() + KEY_WAIT_MILLISECONDS, 'the secret cannot be read');
    const turnAt = lanes.enter(endpoint.id);
    if (turnAt !== undefined) return notBefore(turnAt, 'the endpoint has enough attempts running');
    const started = performance.now();
    try {
      return await takeTurn(deliveryId, endpoint, secrets, run);
    } finally {
      lanes.leave(endpoint.id, performance.now() - started);
    }
  };

  /** An operator who retries the dead letter wants the delivery to begin again. */
  async function openDelivery(deliveryId: string, run: Run): Promise<Delivery | undefined> {
    const delivery = await findDelivery(connection, deliveryId);
    if (delivery?.state !== 'failed' || run.attempt === 1) return delivery;
    return (await redeliver(connection, deliveryId)) ?? delivery;
  }

  /** The secrets that sign now, the current one first. */
  function openSecrets(endpoint: WebhookEndpoint, run: Run): string[] | undefined {
    const previous = signingPreviousSecrets(endpoint, Date.now());
    const sealed = [endpoint.secret, ...previous.map((secret) => secret.sealed)];
    try {
      if (secretBox) return sealed.map((text) => secretBox.open(text, secretOwner(endpoint.id)));
    } catch (error) {
      if (!(error instanceof UnreadableSecretError)) throw error;
    }
    run.logger.error(
      { endpoint_id: endpoint.id },
      'A webhook cannot be signed: ENCRYPTION_KEY is not set, or is not the one that sealed the secret',
    );
    return undefined;
  }

  async function takeTurn(
    deliveryId: string,
    endpoint: WebhookEndpoint,
    secrets: readonly string[],
    run: Run,
  ): Promise<Outcome> {
    const lease = await claimDelivery(connection, deliveryId);
    if (!lease) return notBefore(Date.now() + DELIVERY_LEASE_MILLISECONDS, 'another run makes the attempt');
    const { attempt, answer } = await post(lease, endpoint, secrets, run);
    const end = endOf(lease.delivery, attempt, answer);
    const concluded = await concludeAttempt(connection, lease, attempt, end);
    logAttempt(lease.delivery, attempt, end, run);
    await tellEndpoint(endpoint, attempt, run);
    if (!concluded) return notBefore(Date.now() + DELIVERY_LEASE_MILLISECONDS, 'the lease ran out');
    switch (end.transition) {
      case 'succeed':
        return done;
      case 'retry':
        return notBefore(end.nextAttemptAt, 'the receiver did not take it');
      case 'give-up':
        return { kind: 'dead', reason: end.reason };
    }
  }

  async function post(
    lease: DeliveryLease,
    endpoint: WebhookEndpoint,
    secrets: readonly string[],
    run: Run,
  ): Promise<{ attempt: DeliveryAttempt; answer: WebhookAnswer }> {
    const { event_id: id, body } = lease.delivery;
    const at = Date.now();
    const started = performance.now();
    try {
      const headers = signedHeaders({ id, at, body }, secrets);
      const answer = await client.post({ url: endpoint.url, headers, body }, run.signal);
      const duration = Math.round(performance.now() - started);
      return { attempt: attemptOf(at, duration, answer), answer };
    } catch (error) {
      // The run was called off. Without this the delivery goes on when the lease has run out.
      await releaseDelivery(connection, lease).catch(() => undefined);
      throw error;
    }
  }

  function endOf(delivery: Delivery, attempt: DeliveryAttempt, answer: WebhookAnswer): AttemptEnd {
    const verdict = answer.kind === 'answered' ? verdictOf(answer.status) : 'refused';
    if (verdict === 'delivered') return { transition: 'succeed' };
    if (verdict === 'gone') return { transition: 'give-up', reason: GONE };
    const asked = answer.kind === 'answered' ? answer.retryAfterMilliseconds : undefined;
    const delay = retryDelay(retryDelays, delivery.attempts_made, asked);
    if (delay !== undefined) return { transition: 'retry', nextAttemptAt: Date.now() + delay };
    const last = attempt.status_code ?? attempt.error;
    return {
      transition: 'give-up',
      reason: `Not taken in ${delivery.attempts_made} attempts; the last answer: ${last}`,
    };
  }

  async function tellEndpoint(endpoint: WebhookEndpoint, attempt: DeliveryAttempt, run: Run): Promise<void> {
    const verdict = attempt.status_code === undefined ? 'refused' : verdictOf(attempt.status_code);
    if (verdict === 'delivered') return noteSuccess(connection, endpoint);
    await noteFailure(connection, endpoint, attempt.at);
    if (verdict === 'gone') return disable(endpoint, GONE, undefined, run);
    const failingSince = attempt.at - FAILING_LIMIT_MILLISECONDS;
    if ((endpoint.failing_since ?? attempt.at) > failingSince) return;
    // What was read before the attempt may be over: it may have taken something, been enabled anew or moved, meanwhile.
    await disable(endpoint, FAILING_FOR_DAYS, failingSince, run);
  }

  async function disable(
    { id, url }: WebhookEndpoint,
    reason: string,
    failingSince: number | undefined,
    run: Run,
  ): Promise<void> {
    if (!(await disableEndpoint(connection, id, reason, { url, failingSince }))) return;
    run.logger.warn({ endpoint_id: id, reason }, 'webhook endpoint disabled');
  }
}

const GONE = 'The receiver answered 410 Gone';
const FAILING_FOR_DAYS = `The receiver took nothing for ${FAILING_LIMIT_MILLISECONDS / 86_400_000} days`;

/** What the job of a delivery that has ended says, also when a run was killed before it could say it. */
function outcomeOf(delivery: Delivery): Outcome {
  const reason = delivery.reason ?? '';
  if (delivery.state === 'failed') return { kind: 'dead', reason };
  if (delivery.state === 'cancelled') return { kind: 'cancelled', reason };
  return done;
}

function notBefore(at: number, reason: string): Outcome {
  return { kind: 'postponed', at, reason };
}

function attemptOf(at: number, duration: number, answer: WebhookAnswer): DeliveryAttempt {
  const answered = answer.kind === 'answered';
  return {
    at,
    duration_ms: duration,
    status_code: answered ? answer.status : undefined,
    error: answered ? undefined : answer.reason,
    response: answered ? excerptOf(answer.text) : undefined,
  };
}

/** Neither the address nor what was sent or answered: each may hold a secret. */
function logAttempt(delivery: Delivery, attempt: DeliveryAttempt, end: AttemptEnd, run: Run): void {
  run.logger.info(
    {
      delivery_id: delivery.id,
      endpoint_id: delivery.endpoint_id,
      event_type: delivery.event_type,
      attempt_number: delivery.attempts_made,
      status: attempt.status_code,
      error: attempt.error,
      ms: attempt.duration_ms,
      end: end.transition,
    },
    'webhook attempt',
  );
}
