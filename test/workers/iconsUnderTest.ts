import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { readEnvironment } from '../../config/env.ts';
import type { OpenAiServer } from '../../sandbox/openaiServer.ts';
import type { IconBatch } from '../../src/domain/icons/batch.ts';
import type { IconImage, IconRequest } from '../../src/domain/icons/icon.ts';
import { promptOf } from '../../src/domain/icons/prompts/promptOf.ts';
import { findBatch } from '../../src/models/iconBatches.ts';
import { findBatchImages, findImage } from '../../src/models/iconImages.ts';
import { Ledger } from '../../src/models/ledger.ts';
import { imageSettings } from '../../src/platforms/images/openImageProvider.ts';
import { type IconCaller, IconRequests } from '../../src/producers/icons/iconRequests.ts';
import { jobOptions } from '../../src/producers/jobOptions.ts';
import { type OpenQueues, openQueues, prefixOf } from '../../src/producers/queues.ts';
import { LocalCredits } from '../../src/providers/credits/local.ts';
import type { QueueContract } from '../../src/queues/defineQueue.ts';
import { iconBatchesQueue, iconsQueue } from '../../src/queues/icons.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { createFinishBatch } from '../../src/workers/icons/finishBatch.ts';
import { createGenerateIcon } from '../../src/workers/icons/generateIcon.ts';
import { openIconWork } from '../../src/workers/icons/openIconWork.ts';
import { createSweepIcons } from '../../src/workers/icons/sweepIcons.ts';
import { ThrottlePauses } from '../../src/workers/icons/throttlePauses.ts';
import { startWorker } from '../../src/workers/startWorker.ts';
import { createIconsSystem } from '../support/iconsSystem.ts';
import { settledBatch } from '../support/settledBatch.ts';
import type { TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

export const CALLER: IconCaller = {
  owner: 'somebody',
  credits_user_id: undefined,
  request_ids: ['r-1'],
  sees_all: false,
};

/** Icons' workers in this process, without the long waits, and a sandbox of OpenAI's API. */
export interface IconsUnderTest {
  readonly system: TestSystem;
  readonly openai: OpenAiServer;
  readonly queues: OpenQueues;
  readonly requests: IconRequests;
  readonly storagePath: string;
  /** Every log line of the workers so far. */
  readonly lines: readonly string[];
  /** Starts workers of both queues, on other addresses of the stores where these are given. @returns how to stop them */
  start(more?: Readonly<Record<string, string>>): () => Promise<void>;
  /** Runs the sweep, in a worker. */
  sweep(): Promise<void>;
  /** Asks for one icon. @returns its image id */
  ask(category: string): Promise<string>;
  /** Asks for a batch. @returns its id */
  askBatch(categories: readonly string[]): Promise<string>;
  image(imageId: string): Promise<IconImage>;
  images(batchId: string): Promise<IconImage[]>;
  batch(batchId: string): Promise<IconBatch>;
  /** The image, once it is final. */
  ended(imageId: string): Promise<IconImage>;
  /** The batch, once its round is closed. */
  settled(batchId: string): Promise<IconBatch>;
  /** How often the icon of that category was paid. */
  paid(category: string): number;
  remove(): Promise<void>;
}

export async function openIcons(more: Readonly<Record<string, string>> = {}): Promise<IconsUnderTest> {
  const icons = await createIconsSystem('icons');
  const { system, openai, storagePath } = icons;
  const { connection } = system;
  const variables = {
    ...system.environment,
    ...icons.environment,
    BATCH_SIZE_DEFAULT: '3',
    ...more,
  };
  const lines: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
  const queues = openQueues(system.redis, system.prefix);
  const stops = new Set<() => Promise<void>>();

  function openWork(
    environment: ReturnType<typeof readEnvironment>,
    redis: typeof system.redis,
    mongo = connection,
  ) {
    const work = openIconWork(environment, { redis, connection: mongo, queues }, logger);
    return {
      ...work,
      throttlePauses: new ThrottlePauses(50),
      times: { ...work.times, retry: 20, busy: 20, noQuota: 20 },
    };
  }

  const environment = readEnvironment(variables);
  const requests = new IconRequests({
    connection,
    redis: system.redis,
    prefix: system.prefix,
    queues,
    settings: imageSettings(environment),
    credits: new LocalCredits(new Ledger(connection)),
    environment,
  });

  const found = async <T>(what: Promise<T | undefined>): Promise<T> => {
    const value = await what;
    if (value === undefined) throw new Error('It is not there');
    return value;
  };
  const image = (imageId: string) => found(findImage(connection, imageId));
  const batch = (batchId: string) => found(findBatch(connection, batchId));

  return {
    system,
    openai,
    queues,
    requests,
    storagePath,
    lines,
    start(others = {}) {
      const environment = readEnvironment({ ...variables, ...others });
      const redis = connectRedis(environment.REDIS_URL, 'worker', logger);
      const mongo =
        others.MONGODB_URL === undefined
          ? undefined
          : connectMongo(environment.MONGODB_URL, 'worker', logger);
      const work = openWork(environment, redis, mongo);
      const runner = (queue: QueueContract) => ({
        redis,
        prefix: prefixOf(system.prefix, queue),
        logger,
        untilStoresAnswer: () => Promise.resolve(),
      });
      const workers = [
        startWorker(iconsQueue, { 'generate-icon': createGenerateIcon(work) }, runner(iconsQueue)),
        startWorker(
          iconBatchesQueue,
          { 'finish-batch': createFinishBatch(work), 'sweep-icons': createSweepIcons(work) },
          runner(iconBatchesQueue),
        ),
      ];
      const stop = async () => {
        if (!stops.delete(stop)) return;
        await Promise.all(workers.map((worker) => worker.drain(1)));
        redis.disconnect();
        await mongo?.close();
      };
      stops.add(stop);
      return stop;
    },
    async sweep() {
      const queue = queues.of(iconBatchesQueue);
      const jobId = `sweep-${randomUUID()}`;
      const data = { payload: {}, request_ids: [] };
      await queue.add('sweep-icons', data, { ...jobOptions(iconBatchesQueue, 'sweep-icons'), jobId });
      await waitFor('the sweep', async () =>
        (await queue.getJobState(jobId)) === 'completed' ? true : undefined,
      );
    },
    async ask(category) {
      const start = await requests.startIcon(requestOf(category), CALLER, Number.POSITIVE_INFINITY);
      if (start.kind !== 'started') throw new Error(start.kind);
      return start.image_id;
    },
    async askBatch(categories) {
      const { style, color_scheme } = requestOf('');
      const request = {
        categories,
        variations: 1,
        style,
        color_scheme,
        elements: new Map(),
        metadata: null,
      };
      const start = await requests.startBatch(request, CALLER, Number.POSITIVE_INFINITY);
      if (start.kind !== 'started') throw new Error(start.kind);
      return start.batch_id;
    },
    image,
    images: (batchId) => findBatchImages(connection, batchId),
    batch,
    ended: (imageId) =>
      waitFor('the image is final', async () => {
        const now = await image(imageId);
        return now.finished_at === null ? undefined : now;
      }),
    settled: (batchId) => settledBatch(connection, batchId),
    paid: (category) => openai.paidFor(promptOf(requestOf(category))),
    async remove() {
      await Promise.all([...stops].map((stop) => stop()));
      await queues.close();
      await icons.remove();
    },
  };
}

/** The first variation of that category, in the standard style. */
export function requestOf(category: string): IconRequest {
  return {
    category,
    style: 'modern',
    color_scheme: 'brand_colors',
    elements: [],
    variation: 1,
    total_variations: 1,
  };
}
