import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Environment } from '../../../config/env.ts';
import { STORING_SECONDS } from '../../../config/stopTimes.ts';
import { Ledger } from '../../models/ledger.ts';
import { openImageProvider } from '../../platforms/images/openImageProvider.ts';
import { RateLane } from '../../platforms/images/rateLane.ts';
import { openStorage } from '../../platforms/storage/openStorage.ts';
import { openWriteProbe } from '../../platforms/storage/writeProbe.ts';
import { announceLedgerChanges } from '../../producers/credits/announceLedgerChanges.ts';
import { IconCredits } from '../../producers/icons/iconCredits.ts';
import { IconJobs } from '../../producers/icons/iconJobs.ts';
import type { OpenQueues } from '../../producers/queues.ts';
import { openCreditsProvider } from '../../providers/credits/open.ts';
import type { IconWork } from './iconWork.ts';
import { ThrottlePauses } from './throttlePauses.ts';

interface Stores {
  readonly redis: Redis;
  readonly connection: Connection;
  readonly queues: OpenQueues;
}

/** A first rest after a 429 that names no time (the icons contract, Retry). */
const THROTTLED_MILLISECONDS = 5_000;

/**
 * Makes what the handlers of icons work with.
 *
 * @throws UnsupportedModelError, UnsupportedImageSettingError
 */
export function openIconWork(
  environment: Environment,
  { redis, connection, queues }: Stores,
  logger: Logger,
): IconWork {
  const provider = openImageProvider(environment);
  const prefix = environment.REDIS_PREFIX;
  const storage = openStorage(environment);
  const ledger = new Ledger(connection, {
    onChange: announceLedgerChanges(redis, prefix, queues, logger),
  });
  return {
    connection,
    redis,
    prefix,
    queues,
    provider,
    lane: new RateLane(redis, prefix, provider.settings.model, {
      requests: environment.OPENAI_RATE_LIMIT_RPM,
      tokens: environment.OPENAI_RATE_LIMIT_TPM,
      images: environment.OPENAI_RATE_LIMIT_IPM,
    }),
    storage,
    requireStorage: openWriteProbe(storage),
    credits: new IconCredits(
      connection,
      openCreditsProvider(environment, connection, ledger, logger),
      environment.ICONS_CREDITS_PER_ICON,
    ),
    jobs: new IconJobs(redis, prefix, queues),
    throttlePauses: new ThrottlePauses(THROTTLED_MILLISECONDS),
    maxAttempts: environment.ICONS_MAX_ATTEMPTS,
    times: {
      retry: 1_000,
      busy: 300,
      lease: (environment.OPENAI_TIMEOUT_SECONDS + STORING_SECONDS) * 1_000,
      noQuota: 60_000,
    },
    batchTimeoutMilliseconds: environment.ICONS_BATCH_TIMEOUT_SECONDS * 1_000,
    keepMilliseconds: environment.ICONS_KEEP_BATCHES_HOURS * 3_600_000,
  };
}
