import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Environment } from '../../../config/env.ts';
import type { CreditsProvider } from '../../domain/credits/provider.ts';
import { canRetry, type IconBatch } from '../../domain/icons/batch.ts';
import { type BatchRequest, imagesOf } from '../../domain/icons/batchRequest.ts';
import { contentKey } from '../../domain/icons/contentKey.ts';
import type { IconImage, IconRequest, ImageSettings } from '../../domain/icons/icon.ts';
import { promptOf } from '../../domain/icons/prompts/promptOf.ts';
import { mayReach, type Reach } from '../../domain/icons/reach.ts';
import { BusinessCalendar } from '../../domain/time/businessCalendar.ts';
import {
  cancelBatch,
  confirmBatch,
  createBatch,
  findBatch,
  type NewBatch,
  type Retry,
  retryFailed,
} from '../../models/iconBatches.ts';
import type { NewRound } from '../../models/iconBatchImages.ts';
import type { MonthlyBudget } from '../../models/iconBudgets.ts';
import { concludeImage, confirmImage, createImage, type NewImage } from '../../models/iconImages.ts';
import { publishIconSignal } from '../../runtime/iconFeed.ts';
import { isOutage, ServiceUnavailableError } from '../../runtime/outage.ts';
import type { OpenQueues } from '../queues.ts';
import { type CreditsRefusal, IconCredits } from './iconCredits.ts';
import { IconJobs } from './iconJobs.ts';

export interface IconRequestsDependencies {
  readonly connection: Connection;
  readonly redis: Redis;
  /** Of the installation. */
  readonly prefix: string;
  readonly queues: OpenQueues;
  /** What new images are made with. */
  readonly settings: ImageSettings;
  readonly credits: CreditsProvider;
  readonly environment: Environment;
}

/** On whose behalf icons are asked for. */
export interface IconCaller extends Reach {
  readonly credits_user_id: string | undefined;
  readonly request_ids: readonly string[];
}

/** Why nothing was started. Nothing is queued and nothing is charged. */
export type Refusal = CreditsRefusal | { readonly kind: 'over-budget' };

export type BatchStart = { readonly kind: 'started'; readonly batch_id: string } | Refusal;
export type IconStart = { readonly kind: 'started'; readonly image_id: string } | Refusal;
export type RetryStart =
  | { readonly kind: 'started'; readonly images: number }
  /** It has not ended, was cancelled, or none of its images failed. */
  | { readonly kind: 'nothing-failed' }
  /** Unknown, or somebody else's. */
  | { readonly kind: 'not-found' }
  | Refusal;

type Created = 'created' | 'over-budget';

/** Starts icons, retries and cancels them: what is asked for is kept in MongoDB, then queued. */
export class IconRequests {
  readonly #connection: Connection;
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #settings: ImageSettings;
  readonly #jobs: IconJobs;
  readonly #credits: IconCredits;
  readonly #calendar: BusinessCalendar;
  readonly #monthlyLimit: number | undefined;
  readonly #concurrency: number;

  constructor({
    connection,
    redis,
    prefix,
    queues,
    settings,
    credits,
    environment,
  }: IconRequestsDependencies) {
    this.#connection = connection;
    this.#redis = redis;
    this.#prefix = prefix;
    this.#settings = settings;
    this.#jobs = new IconJobs(redis, prefix, queues);
    this.#credits = new IconCredits(connection, credits, environment.ICONS_CREDITS_PER_ICON);
    this.#calendar = new BusinessCalendar(environment.BUSINESS_TIME_ZONE);
    this.#monthlyLimit = environment.ICONS_MONTHLY_LIMIT;
    this.#concurrency = environment.BATCH_SIZE_DEFAULT;
  }

  /**
   * @param answerBefore - by the clock of `performance.now()`; later its sender has been told to come back
   * @throws ServiceUnavailableError when a store is away, or it is too late; the batch is cancelled then, if it was kept at all,
   *   by the sweep at the latest
   */
  async startBatch(request: BatchRequest, caller: IconCaller, answerBefore: number): Promise<BatchStart> {
    const requested = imagesOf(request);
    const reserved = await this.#credits.reserve(caller.credits_user_id, requested.length);
    if (reserved.kind !== 'reserved') return reserved;
    const { reservation_id } = reserved;
    const batch = this.#newBatch(request, reservation_id, caller);
    const { batch_id } = batch;
    const images = requested.map((icon, index) =>
      this.#newImage(icon, { image_id: `${batch_id}-${index}`, batch_id, index, reservation_id }, caller),
    );
    const created = await this.#orGiveUp(reservation_id, () =>
      createBatch(this.#connection, batch, images, this.#budget()),
    );
    if (created === 'over-budget') return { kind: 'over-budget' };
    await this.#queueBatch(batch, images, caller, answerBefore);
    return { kind: 'started', batch_id };
  }

  /**
   * @param answerBefore - by the clock of `performance.now()`; later its sender has been told to come back
   * @throws ServiceUnavailableError when a store is away, or it is too late; the image is cancelled then, if it was kept at all,
   *   by the sweep at the latest
   */
  async startIcon(request: IconRequest, caller: IconCaller, answerBefore: number): Promise<IconStart> {
    const reserved = await this.#credits.reserve(caller.credits_user_id, 1);
    if (reserved.kind !== 'reserved') return reserved;
    const { reservation_id } = reserved;
    const image_id = randomUUID();
    const image = this.#newImage(request, { image_id, batch_id: null, index: 0, reservation_id }, caller);
    const created = await this.#orGiveUp(reservation_id, () =>
      createImage(this.#connection, image, this.#budget()),
    );
    if (created === 'over-budget') return { kind: 'over-budget' };
    await this.#queueIcon(image, caller, answerBefore);
    return { kind: 'started', image_id };
  }

  /**
   * Makes the failed images of a completed or failed batch again. While Redis is away the sweep queues them later.
   *
   * @throws ServiceUnavailableError when MongoDB is away, or the round before is still being closed
   */
  async retryFailed(batchId: string, caller: IconCaller): Promise<RetryStart> {
    const batch = await this.#findOwn(batchId, caller);
    if (!batch) return { kind: 'not-found' };
    if (!canRetry(batch)) return { kind: 'nothing-failed' };
    const reserved = await this.#credits.reserve(batch.credits_user_id ?? undefined, batch.failed);
    if (reserved.kind !== 'reserved') return reserved;
    const { reservation_id } = reserved;
    const retry = await this.#keepRetry(batchId, { reservation_id, credits: this.#credits.price });
    if (retry.kind === 'retried') {
      await this.#queueRetry(retry.batch, retry.images, caller);
      return { kind: 'started', images: retry.images.length };
    }
    await this.#credits.giveUp(reservation_id);
    if (retry.kind === 'unsettled') {
      throw new ServiceUnavailableError('The batch is being closed; try again', 1);
    }
    return retry;
  }

  /** @returns false when it is unknown, somebody else's, or has ended */
  async cancel(batchId: string, caller: IconCaller): Promise<boolean> {
    if (!(await this.#findOwn(batchId, caller))) return false;
    return this.#cancel(batchId);
  }

  async #keepRetry(batchId: string, round: NewRound): Promise<Retry> {
    try {
      return await retryFailed(this.#connection, batchId, round, this.#budget());
    } catch (error) {
      // A commit whose answer was lost may hold: then the credits are the round's.
      const batch = await findBatch(this.#connection, batchId);
      if (batch?.reservation_id !== round.reservation_id) await this.#credits.giveUp(round.reservation_id);
      throw error;
    }
  }

  async #cancel(batchId: string): Promise<boolean> {
    const batch = await cancelBatch(this.#connection, batchId);
    if (!batch) return false;
    publishIconSignal(this.#redis, this.#prefix, {
      batch_id: batchId,
      owner: batch.owner,
      seq: batch.event_seq,
    });
    return true;
  }

  async #findOwn(batchId: string, caller: IconCaller) {
    const batch = await findBatch(this.#connection, batchId);
    return batch && mayReach(caller, batch) ? batch : undefined;
  }

  #newBatch(request: BatchRequest, reservation_id: string | null, caller: IconCaller): NewBatch {
    const { categories, variations, style, color_scheme, metadata } = request;
    return {
      batch_id: randomUUID(),
      owner: caller.owner,
      categories,
      variations,
      style,
      color_scheme,
      metadata,
      concurrency: this.#concurrency,
      credits_user_id: caller.credits_user_id ?? null,
      reservation_id,
    };
  }

  #newImage(
    request: IconRequest,
    place: Pick<NewImage, 'image_id' | 'batch_id' | 'index' | 'reservation_id'>,
    caller: IconCaller,
  ): NewImage {
    return {
      ...request,
      ...place,
      owner: caller.owner,
      content_key: contentKey(request, this.#settings),
      prompt: promptOf(request),
      model: this.#settings.model,
      credits: this.#credits.price,
      asked_at: Date.now(),
    };
  }

  #budget(): MonthlyBudget | undefined {
    if (this.#monthlyLimit === undefined) return undefined;
    return { month: this.#calendar.dayText(Date.now()).slice(0, 7), limit: this.#monthlyLimit };
  }

  /** What was set aside for something that was not kept is given back. */
  async #orGiveUp(reservationId: string | null, create: () => Promise<Created>): Promise<Created> {
    let created: Created = 'over-budget';
    try {
      created = await create();
      return created;
    } finally {
      if (created === 'over-budget') await this.#credits.giveUp(reservationId);
    }
  }

  /** What could not be queued must not be made, and charged, after its sender was told to come back. */
  async #queueIcon(image: NewImage, caller: IconCaller, answerBefore: number): Promise<void> {
    try {
      requireTime(answerBefore);
      if (!(await confirmImage(this.#connection, image.image_id))) throw tooLate();
      requireTime(answerBefore);
      await this.#jobs.start([image], caller.request_ids);
      requireTime(answerBefore);
    } catch (error) {
      const cancelled = { status: 'cancelled', error: 'It could not be queued' } as const;
      const concluded = await concludeImage(this.#connection, image, cancelled);
      if (concluded) await this.#credits.giveUp(image.reservation_id);
      throw error;
    }
  }

  /** The same of a batch; its credits are given back when its round is closed. */
  async #queueBatch(
    { batch_id, concurrency }: NewBatch,
    images: readonly NewImage[],
    caller: IconCaller,
    answerBefore: number,
  ): Promise<void> {
    try {
      requireTime(answerBefore);
      if (!(await confirmBatch(this.#connection, batch_id))) throw tooLate();
      requireTime(answerBefore);
      await this.#jobs.startRound({ batch_id, round: 1 }, images.slice(0, concurrency), caller.request_ids);
      requireTime(answerBefore);
    } catch (error) {
      await this.#cancel(batch_id);
      throw error;
    }
  }

  async #queueRetry(batch: IconBatch, images: readonly IconImage[], caller: IconCaller): Promise<void> {
    try {
      await this.#jobs.startRound(batch, images.slice(0, batch.concurrency), caller.request_ids);
    } catch (error) {
      // The batch runs by its state, and the sweep starts rounds that have no job.
      if (!isOutage(error)) throw error;
    }
  }
}

/**
 * Its sender was told to come back meanwhile. Looked at before the confirmation too: what is not confirmed is cancelled by the
 * sweep, also when MongoDB does not take the cancellation now.
 */
function requireTime(answerBefore: number): void {
  if (performance.now() > answerBefore) throw tooLate();
}

function tooLate(): ServiceUnavailableError {
  return new ServiceUnavailableError('The start took too long; try again', 1);
}
