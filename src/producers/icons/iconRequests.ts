import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Environment } from '../../../config/env.ts';
import type { CreditsProvider } from '../../domain/credits/provider.ts';
import { type BatchRequest, imagesOf } from '../../domain/icons/batchRequest.ts';
import { contentKey } from '../../domain/icons/contentKey.ts';
import type { IconImage, IconRequest, ImageSettings } from '../../domain/icons/icon.ts';
import { promptOf } from '../../domain/icons/prompts/promptOf.ts';
import { BusinessCalendar } from '../../domain/time/businessCalendar.ts';
import {
  cancelBatch,
  createBatch,
  findBatch,
  type MonthlyBudget,
  retryFailed,
} from '../../models/iconBatches.ts';
import {
  concludeImage,
  createImage,
  findBatchImages,
  findImage,
  type NewImage,
} from '../../models/iconImages.ts';
import { publishIconSignal } from '../../runtime/iconFeed.ts';
import { ServiceUnavailableError } from '../../runtime/outage.ts';
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
export interface IconCaller {
  readonly owner: string;
  readonly credits_user_id: string | undefined;
  readonly request_ids: readonly string[];
  /** Reaches the batches of everybody. */
  readonly sees_all: boolean;
}

/** Why nothing was started. Nothing is queued and nothing is charged. */
export type Refusal = CreditsRefusal | { readonly kind: 'over-budget' };

export type BatchStart = { readonly kind: 'started'; readonly batch_id: string } | Refusal;
export type IconStart = { readonly kind: 'started'; readonly image_id: string } | Refusal;
export type RetryStart =
  | { readonly kind: 'started'; readonly images: number }
  /** It is not completed, or none of its images failed. */
  | { readonly kind: 'nothing-failed' }
  /** Unknown, or somebody else's. */
  | { readonly kind: 'not-found' }
  | Refusal;

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
    this.#credits = new IconCredits(credits, environment.ICONS_CREDITS_PER_ICON);
    this.#calendar = new BusinessCalendar(environment.BUSINESS_TIME_ZONE);
    this.#monthlyLimit = environment.ICONS_MONTHLY_LIMIT;
    this.#concurrency = environment.BATCH_SIZE_DEFAULT;
  }

  /** @throws ServiceUnavailableError when a store is away; the batch is cancelled then, if it was kept at all */
  async startBatch(request: BatchRequest, caller: IconCaller): Promise<BatchStart> {
    const requested = imagesOf(request);
    const reserved = await this.#credits.reserve(caller.credits_user_id, requested.length);
    if (reserved.kind !== 'reserved') return reserved;
    const { reservation_id } = reserved;
    const batch_id = randomUUID();
    const images = requested.map((icon, index) =>
      this.#newImage(icon, { image_id: `${batch_id}-${index}`, batch_id, index, reservation_id }, caller),
    );
    const { categories, variations, style, color_scheme, metadata } = request;
    const batch = {
      batch_id,
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
    const created = await this.#orRelease(reservation_id, () =>
      createBatch(this.#connection, batch, images, this.#budget()),
    );
    if (created === 'over-budget') return { kind: 'over-budget' };
    await this.#orCancel(batch_id, caller, async () => {
      const first = (await findBatchImages(this.#connection, batch_id)).slice(0, this.#concurrency);
      await this.#jobs.startRound({ batch_id, round: 1 }, first, caller.request_ids);
    });
    return { kind: 'started', batch_id };
  }

  /** @throws ServiceUnavailableError when a store is away; the image is cancelled then, if it was kept at all */
  async startIcon(request: IconRequest, caller: IconCaller): Promise<IconStart> {
    const reserved = await this.#credits.reserve(caller.credits_user_id, 1);
    if (reserved.kind !== 'reserved') return reserved;
    const { reservation_id } = reserved;
    const image_id = randomUUID();
    const image = this.#newImage(request, { image_id, batch_id: null, index: 0, reservation_id }, caller);
    const created = await this.#orRelease(reservation_id, () =>
      createImage(this.#connection, image, this.#budget()),
    );
    if (created === 'over-budget') return { kind: 'over-budget' };
    const kept = await findImage(this.#connection, image_id);
    if (kept) await this.#startOrCancel(kept, caller);
    return { kind: 'started', image_id };
  }

  /**
   * Makes the failed images of a completed batch again.
   *
   * @throws ServiceUnavailableError when a store is away, or the round before is still being closed
   */
  async retryFailed(batchId: string, caller: IconCaller): Promise<RetryStart> {
    const batch = await this.#findOwn(batchId, caller);
    if (!batch) return { kind: 'not-found' };
    if (batch.status !== 'completed' || batch.failed === 0) return { kind: 'nothing-failed' };
    const reserved = await this.#credits.reserve(batch.credits_user_id ?? undefined, batch.failed);
    if (reserved.kind !== 'reserved') return reserved;
    const { reservation_id } = reserved;
    const retry = await this.#orRelease(reservation_id, () =>
      retryFailed(this.#connection, batchId, reservation_id, this.#budget()),
    );
    if (typeof retry === 'object') {
      const first = retry.images.slice(0, retry.batch.concurrency);
      await this.#orCancel(batchId, caller, () =>
        this.#jobs.startRound(retry.batch, first, caller.request_ids),
      );
      return { kind: 'started', images: retry.images.length };
    }
    await this.#credits.release(reservation_id);
    if (retry === 'over-budget') return { kind: 'over-budget' };
    if (retry === 'unsettled') throw new ServiceUnavailableError('The batch is being closed; try again', 1);
    return { kind: 'nothing-failed' };
  }

  /** @returns false when it is unknown, somebody else's, or has ended */
  async cancel(batchId: string, caller: IconCaller): Promise<boolean> {
    if (!(await this.#findOwn(batchId, caller))) return false;
    return this.#cancel(batchId);
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
    return batch && (caller.sees_all || batch.owner === caller.owner) ? batch : undefined;
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
  async #orRelease<T>(reservationId: string | null, keep: () => Promise<T>): Promise<T> {
    let kept: T | 'over-budget' = 'over-budget';
    try {
      kept = await keep();
      return kept;
    } finally {
      if (kept === 'over-budget') await this.#credits.release(reservationId);
    }
  }

  /** What could not be queued must not be made, and charged, after its sender was told to come back. */
  async #startOrCancel(image: IconImage, caller: IconCaller): Promise<void> {
    try {
      await this.#jobs.start([image], caller.request_ids);
    } catch (error) {
      const cancelled = { status: 'cancelled', error: 'It could not be queued' } as const;
      const concluded = await concludeImage(this.#connection, image.image_id, cancelled);
      if (concluded) await this.#credits.release(image.reservation_id);
      throw error;
    }
  }

  /** The same of a batch. */
  async #orCancel(batchId: string, caller: IconCaller, queue: () => Promise<void>): Promise<void> {
    try {
      await queue();
    } catch (error) {
      await this.cancel(batchId, caller);
      throw error;
    }
  }
}
