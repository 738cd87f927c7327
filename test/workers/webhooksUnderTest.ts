import { randomBytes } from 'node:crypto';
import type { Queue } from 'bullmq';
import { pino } from 'pino';
import { startWebhookReceiver, type WebhookReceiver } from '../../sandbox/webhookReceiver.ts';
import type { Delivery } from '../../src/domain/webhooks/delivery.ts';
import { type Subscription, secretOwner } from '../../src/domain/webhooks/endpoint.ts';
import { newSecret } from '../../src/domain/webhooks/signature.ts';
import { addToEventOutbox } from '../../src/models/eventOutbox.ts';
import { inTransaction } from '../../src/models/transaction.ts';
import { deliveryId, findDelivery } from '../../src/models/webhookDeliveries.ts';
import { addEndpoint, newEndpointId } from '../../src/models/webhookEndpoints.ts';
import { WebhookClient } from '../../src/platforms/webhooks.ts';
import { addTickJob } from '../../src/producers/addTickJob.ts';
import { openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { startFanOut } from '../../src/producers/webhooks/startFanOut.ts';
import type { QueueContract } from '../../src/queues/defineQueue.ts';
import { webhookDeliveriesQueue, webhooksQueue } from '../../src/queues/webhooks.ts';
import { OutboundHosts, type ResolveHost } from '../../src/runtime/outboundHosts.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { SecretBox } from '../../src/runtime/secretBox.ts';
import { startWorker } from '../../src/workers/startWorker.ts';
import { createDeliver } from '../../src/workers/webhooks/deliver.ts';
import { createFanOutEvent } from '../../src/workers/webhooks/fanOutEvent.ts';
import { createSweepWebhooks } from '../../src/workers/webhooks/sweepWebhooks.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

export interface WorkerSettings {
  /** @defaultValue two retries at once */
  readonly retryDelays?: readonly number[];
  /** Absent: private addresses are allowed. Else only public ones are, and names mean what this says. */
  readonly resolve?: ResolveHost;
  /** @defaultValue the box that sealed the secrets; `null` for none */
  readonly secretBox?: SecretBox | null;
  readonly answerMilliseconds?: number;
  /** @defaultValue both queues */
  readonly queues?: readonly QueueContract[];
}

export interface TestEndpoint {
  readonly id: string;
  readonly secret: string;
}

/** A database, a receiver, and workers of the webhooks in this process. */
export interface WebhooksUnderTest {
  readonly system: TestSystem;
  readonly receiver: WebhookReceiver;
  readonly key: { readonly id: string; readonly key: Buffer };
  readonly box: SecretBox;
  readonly eventsQueue: Queue;
  readonly deliveriesQueue: Queue;
  /** Every log line of the workers so far. */
  readonly lines: readonly string[];
  /** An endpoint whose signatures the receiver verifies. */
  addEndpoint(endpoint?: {
    readonly url?: string;
    readonly events?: readonly Subscription[];
  }): Promise<TestEndpoint>;
  /** Commits an event as the ledger would. */
  commit(userId?: string, at?: number): Promise<string>;
  /** Commits an event and starts it. */
  happen(userId?: string): Promise<string>;
  start(settings?: WorkerSettings): () => Promise<void>;
  sweep(): Promise<void>;
  delivery(eventId: string, endpoint: TestEndpoint): Promise<Delivery | undefined>;
  inState(eventId: string, endpoint: TestEndpoint, state: Delivery['state']): Promise<Delivery>;
  remove(): Promise<void>;
}

export async function openWebhooks(): Promise<WebhooksUnderTest> {
  const system = await createTestSystem('webhooks');
  const receiver = await startWebhookReceiver();
  const queues = openQueues(system.redis, system.prefix);
  const key = { id: 'k1', key: randomBytes(32) };
  const box = new SecretBox(key);
  const lines: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
  const stops = new Set<() => Promise<void>>();
  let tick = Date.UTC(2026, 0, 5);
  const { connection } = system;
  const eventsQueue = queues.of(webhooksQueue);
  const deliveriesQueue = queues.of(webhookDeliveriesQueue);

  function start(settings: WorkerSettings = {}): () => Promise<void> {
    const redis = connectRedis(system.redisUrl, 'worker', logger);
    const secretBox = settings.secretBox === null ? undefined : (settings.secretBox ?? box);
    const hosts = new OutboundHosts({
      allowPrivate: settings.resolve === undefined,
      ...(settings.resolve ? { resolve: settings.resolve } : {}),
    });
    const limits = { connectMilliseconds: 1_000, answerMilliseconds: settings.answerMilliseconds ?? 1_000 };
    const runner = (queue: QueueContract) => ({
      redis,
      prefix: queuePrefix(system.prefix, queue.name),
      logger,
      untilStoresAnswer: () => Promise.resolve(),
    });
    const wanted = settings.queues ?? [webhooksQueue, webhookDeliveriesQueue];
    const workers = [
      ...(wanted.includes(webhooksQueue)
        ? [
            startWorker(
              webhooksQueue,
              {
                'fan-out-event': createFanOutEvent({ connection, deliveriesQueue }),
                'sweep-webhooks': createSweepWebhooks({
                  connection,
                  webhooksQueue: eventsQueue,
                  deliveriesQueue,
                  secretBox,
                }),
              },
              runner(webhooksQueue),
            ),
          ]
        : []),
      ...(wanted.includes(webhookDeliveriesQueue)
        ? [
            startWorker(
              webhookDeliveriesQueue,
              {
                deliver: createDeliver({
                  connection,
                  client: new WebhookClient(hosts, limits),
                  secretBox,
                  retryDelays: settings.retryDelays ?? [20, 40],
                }),
              },
              runner(webhookDeliveriesQueue),
            ),
          ]
        : []),
    ];
    const stop = async () => {
      if (!stops.delete(stop)) return;
      await Promise.all(workers.map((worker) => worker.drain(1)));
      redis.disconnect();
    };
    stops.add(stop);
    return stop;
  }

  const commit = (userId = 'user-1', at = Date.now()) =>
    inTransaction(connection, async (session) => {
      const event = {
        type: 'credits.low',
        at,
        data: { user_id: userId, credits: 3, threshold: 10 },
      } as const;
      const [id = ''] = await addToEventOutbox(connection, [event], session);
      return id;
    });
  const delivery = (eventId: string, endpoint: TestEndpoint) =>
    findDelivery(connection, deliveryId(eventId, endpoint.id));

  return {
    system,
    receiver,
    key,
    box,
    eventsQueue,
    deliveriesQueue,
    lines,
    async addEndpoint(endpoint = {}) {
      const { url = receiver.url, events = ['credits.low'] } = endpoint;
      const id = newEndpointId();
      const secret = newSecret();
      receiver.trust(secret);
      const sealed = box.seal(secret, secretOwner(id));
      await addEndpoint(connection, { id, url, events, description: '', secret: sealed });
      return { id, secret };
    },
    commit,
    async happen(userId) {
      const id = await commit(userId);
      await startFanOut(eventsQueue, [id], []);
      return id;
    },
    start,
    async sweep() {
      tick += 60_000;
      const before = await eventsQueue.getCompletedCount();
      await addTickJob(system.redis, eventsQueue, webhooksQueue, 'sweep-webhooks', new Date(tick));
      await waitFor('the sweep', async () =>
        (await eventsQueue.getCompletedCount()) > before ? true : undefined,
      );
    },
    delivery,
    inState: (eventId, endpoint, state) =>
      waitFor(`the delivery is ${state}`, async () => {
        const found = await delivery(eventId, endpoint);
        return found?.state === state ? found : undefined;
      }),
    async remove() {
      await Promise.all([...stops].map((stop) => stop()));
      await queues.close();
      await system.remove();
      await receiver.close();
    },
  };
}
