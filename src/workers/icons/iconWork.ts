import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { IconImage } from '../../domain/icons/icon.ts';
import { failGeneration } from '../../models/iconGenerations.ts';
import {
  beginDelivery,
  type Conclusion,
  claimNextImage,
  concludeImage,
  type Delivery,
  deliveryOf,
} from '../../models/iconImages.ts';
import type { ImageProvider } from '../../platforms/images/imageProvider.ts';
import type { RateLane } from '../../platforms/images/rateLane.ts';
import type { ObjectStorage } from '../../platforms/storage/objectStorage.ts';
import type { IconCredits } from '../../producers/icons/iconCredits.ts';
import type { IconJobs } from '../../producers/icons/iconJobs.ts';
import type { OpenQueues } from '../../producers/queues.ts';
import { publishIconSignal } from '../../runtime/iconFeed.ts';
import type { Run } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import type { ThrottlePauses } from './throttlePauses.ts';

/** Times of the handlers, in milliseconds. Tests shorten them. */
export interface IconTimes {
  /** A call that failed is repeated after this time, then after twice of it, and so on (the icons contract, Retry). */
  readonly retry: number;
  /** How often an image looks whether another one's run has made its icon. */
  readonly busy: number;
  /** How long a lease lasts: longer than one call with the storing of its image. */
  readonly lease: number;
  /** How often images look again while the quota is used up; the queue is paused then. */
  readonly noQuota: number;
}

/** Waiters that are told the same moment come back spread over this time. */
const SPREAD_MILLISECONDS = 250;

/** What the handlers of icons work with. */
export interface IconWork {
  readonly connection: Connection;
  readonly redis: Redis;
  /** Of the installation. */
  readonly prefix: string;
  readonly queues: OpenQueues;
  readonly provider: ImageProvider;
  /** The limits of a paid provider. */
  readonly lane: RateLane;
  readonly storage: ObjectStorage;
  /** No call is made while its image would have no place to go. Throws StorageUnavailableError, StorageFullError. */
  readonly requireStorage: () => Promise<void>;
  readonly credits: IconCredits;
  readonly jobs: IconJobs;
  readonly throttlePauses: ThrottlePauses;
  /** Calls for one image that may fail before it is given up. */
  readonly maxAttempts: number;
  readonly times: IconTimes;
  /** Without progress for that long, what is left of a batch fails. */
  readonly batchTimeoutMilliseconds: number;
  /** How long finished batches are kept. */
  readonly keepMilliseconds: number;
}

/** What the end of an image needs. */
export type ConcludeWork = Pick<IconWork, 'connection' | 'redis' | 'prefix' | 'credits'>;

/**
 * Ends an image: its share of the credits is taken first, so that a crash in between costs nothing; then it is counted and
 * told. Only what has ended without an icon gives its credits back: a single one here, others with their round. One that is
 * being delivered by an earlier run succeeds, whatever is wanted now; nothing becomes of one that was asked for again
 * since `image` was read, whose new round has credits of its own.
 */
export async function conclude(
  work: ConcludeWork,
  image: IconImage,
  conclusion: Conclusion,
  run: Pick<Run, 'logger'>,
): Promise<void> {
  const wanted = deliveryOf(image) ?? conclusion;
  const end = wanted.status === 'succeeded' ? await charge(work, image, wanted, run) : wanted;
  if (!end) return;
  const concluded = await concludeImage(work.connection, image, end);
  if (!concluded) return;
  const { batch } = concluded;
  try {
    if (end.status !== 'succeeded' && image.batch_id === null)
      await work.credits.giveUp(image.reservation_id);
  } finally {
    publishIconSignal(
      work.redis,
      work.prefix,
      batch
        ? { batch_id: batch.batch_id, owner: batch.owner, seq: batch.event_seq }
        : { image_id: image.image_id },
    );
  }
}

/** Adds the next image of the batch to the flow, before this one's job ends. */
export async function startNext(
  work: IconWork,
  image: IconImage,
  roundJob: string | undefined,
  run: Pick<Run, 'requestIds'>,
): Promise<void> {
  if (image.batch_id === null) return;
  const next = await claimNextImage(work.connection, image.batch_id);
  if (!next) return;
  if (roundJob === undefined) await work.jobs.start([next], run.requestIds);
  else await work.jobs.joinRound(next, roundJob, run.requestIds);
}

/** What an image fails with for good. */
export interface Failure {
  readonly error: string;
  /** Calls that were made for its content. */
  readonly attempts: number;
}

/** It failed for good, for everybody who has asked for the same icon until now. */
export async function giveUp(
  work: IconWork,
  image: IconImage,
  { error, attempts }: Failure,
  run: Run,
): Promise<Outcome> {
  run.signal.throwIfAborted();
  await failGeneration(work.connection, image.content_key, image.image_id, error, attempts);
  await conclude(work, image, { status: 'failed', error, attempts }, run);
  return done;
}

/** The failure of an icon that was tried so often (the icons contract, Errors). */
export function failedAfter(attempts: number, reason: string): Failure {
  return { error: `Failed after ${attempts} attempts: ${reason}`, attempts };
}

/** @param milliseconds - from now on, at least */
export function again(milliseconds: number, reason: string): Outcome {
  const spread = Math.round(Math.random() * SPREAD_MILLISECONDS);
  return { kind: 'postponed', at: Date.now() + milliseconds + spread, reason };
}

/** @returns what the image succeeds with; nothing, and nothing is charged, when it was ended or asked for again meanwhile */
async function charge(
  { connection, credits }: ConcludeWork,
  image: IconImage,
  wanted: Delivery,
  { logger }: Pick<Run, 'logger'>,
): Promise<Delivery | undefined> {
  if (image.credits === 0) return wanted;
  const delivery = await beginDelivery(connection, image, wanted);
  if (delivery && !(await credits.capture(image)))
    logger.error({ image_id: image.image_id }, 'An icon was delivered whose credits had come back');
  return delivery;
}
