import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Environment } from '../../../../config/env.ts';
import { listActiveBatchIds } from '../../../models/iconBatches.ts';
import { readEvents, readLastSeqs } from '../../../models/iconEvents.ts';
import { findImage } from '../../../models/iconImages.ts';
import type { Ledger } from '../../../models/ledger.ts';
import { imageSettings } from '../../../platforms/images/openImageProvider.ts';
import { openStorage } from '../../../platforms/storage/openStorage.ts';
import { IconRequests } from '../../../producers/icons/iconRequests.ts';
import type { OpenQueues } from '../../../producers/queues.ts';
import { openCreditsProvider } from '../../../providers/credits/open.ts';
import { listenForIconSignals } from '../../../runtime/iconFeed.ts';
import { connectRedis } from '../../../runtime/redis.ts';
import { BatchFeed } from '../../live/batchFeed.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { ImageWaiter } from './imageWaiter.ts';

const RECHECK_MILLISECONDS = 2_000;
const RECHECK_BATCHES_MILLISECONDS = 5_000;
/** Of one process. */
const MOST_WATCHERS = 10_000;
/** In open mode there is only one caller. */
const MOST_WATCHERS_OF_CALLER = 500;

export interface OpenIcons {
  readonly dependencies: IconsRouteDependencies;
  /** Ends every wait. Comes before the HTTP server is closed, which waits for its requests. */
  close(): void;
}

interface Stores {
  readonly redis: Redis;
  readonly mongo: Connection;
  readonly queues: OpenQueues;
  readonly ledger: Ledger;
  readonly workspace: IconsRouteDependencies['workspace'];
}

/**
 * Makes what the icon routes work with, and the connection on which the process hears of finished images.
 *
 * @throws UnsupportedModelError, UnsupportedImageSettingError
 */
export function openIcons(
  environment: Environment,
  { redis, mongo, queues, ledger, workspace }: Stores,
  logger: Logger,
): OpenIcons {
  const settings = imageSettings(environment);
  const waiter = new ImageWaiter({
    read: (imageId) => findImage(mongo, imageId),
    recheckMilliseconds: RECHECK_MILLISECONDS,
  });
  const feed = new BatchFeed({
    readEvents: (batchId, afterSeq, limit) => readEvents(mongo, batchId, afterSeq, limit),
    readLastSeqs: (batchIds) => readLastSeqs(mongo, batchIds),
    readActive: (owners) => listActiveBatchIds(mongo, owners),
    mostWatchers: MOST_WATCHERS,
    mostWatchersOfCaller: environment.ICONS_OPEN_MODE ? MOST_WATCHERS : MOST_WATCHERS_OF_CALLER,
    recheckMilliseconds: RECHECK_BATCHES_MILLISECONDS,
    logger,
  });
  const signals = connectRedis(environment.REDIS_URL, 'producer', logger);
  listenForIconSignals(
    signals,
    environment.REDIS_PREFIX,
    (signal) => {
      if ('image_id' in signal) waiter.signal(signal.image_id);
      else feed.signal(signal);
    },
    () => {
      waiter.signalAll();
      feed.recheck();
    },
  );
  return {
    dependencies: {
      environment,
      connection: mongo,
      redis,
      storage: openStorage(environment),
      requests: new IconRequests({
        connection: mongo,
        redis,
        prefix: environment.REDIS_PREFIX,
        queues,
        settings,
        credits: openCreditsProvider(environment, mongo, ledger, logger),
        environment,
      }),
      waiter,
      feed,
      workspace,
    },
    close() {
      waiter.close();
      feed.close();
      signals.disconnect();
    },
  };
}
