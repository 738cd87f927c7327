import { type Connection, Schema } from 'mongoose';
import type { IconBatch } from '../domain/icons/batch.ts';
import type { BatchEventContent } from '../domain/icons/events.ts';
import type { IconImage } from '../domain/icons/icon.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { prepareIconBatchMetadata } from './iconBatchMetadata.ts';
import { type FileFields, fileSchema, prepareIconGenerations, toFile } from './iconGenerationDocuments.ts';
import { prepareIconReservations } from './iconReservations.ts';

/** Longer than an answer to a start takes, and shorter than the sweep waits. */
const CONFIRMABLE_MILLISECONDS = 7_000;

/** Its counters are written only together with the images that they count. */
const batchSchema = new Schema(
  {
    _id: { type: String, required: true },
    owner: { type: String, required: true },
    status: { type: String, required: true },
    categories: { type: [String], required: true },
    variations: { type: Number, required: true },
    style: { type: String, required: true },
    color_scheme: { type: String, required: true },
    total: { type: Number, required: true },
    successful: { type: Number, required: true },
    failed: { type: Number, required: true },
    cancelled: { type: Number, required: true },
    concurrency: { type: Number, required: true },
    current_category: String,
    created_at: { type: Date, required: true },
    started_at: Date,
    completed_at: Date,
    progressed_at: { type: Date, required: true },
    round: { type: Number, required: true },
    round_started_at: Date,
    done_before_round: Number,
    event_seq: { type: Number, required: true },
    error: String,
    credits_user_id: String,
    reservation_id: String,
    settled: { type: Boolean, required: true },
    /** Whether its sender was told that it is made, or is about to be. */
    confirmed: Boolean,
    /** The last round whose end was told; 0 before. */
    finished_round: { type: Number, required: true },
    /** Raised by each call that begins: so a call and the end of its batch can't both be committed unseen by the other. */
    calls_begun: { type: Number, required: true },
  },
  { collection: 'icon_batches', versionKey: false, strict: 'throw' },
);
batchSchema.index({ owner: 1, created_at: -1, _id: -1 });
batchSchema.index({ status: 1, owner: 1, created_at: -1 });
batchSchema.index({ progressed_at: 1 }, { partialFilterExpression: { settled: false } });
batchSchema.index({ completed_at: 1 }, { partialFilterExpression: { settled: true } });

/** Every status change goes through `IMAGE_TRANSITIONS`. */
const imageSchema = new Schema(
  {
    _id: { type: String, required: true },
    batch_id: String,
    index: { type: Number, required: true },
    owner: { type: String, required: true },
    category: { type: String, required: true },
    style: { type: String, required: true },
    color_scheme: { type: String, required: true },
    elements: { type: [String], required: true },
    variation: { type: Number, required: true },
    total_variations: { type: Number, required: true },
    content_key: { type: String, required: true },
    prompt: { type: String, required: true },
    model: { type: String, required: true },
    status: { type: String, required: true },
    attempts: { type: Number, required: true },
    error: String,
    file: fileSchema,
    cached: { type: Boolean, required: true },
    generation_milliseconds: Number,
    credits: { type: Number, required: true },
    reservation_id: String,
    asked_at: { type: Date, required: true },
    /** Of a single image: as of a batch. */
    confirmed: Boolean,
    /** When a single image was last seen to wait for what is no fault of its own; nothing before. */
    progressed_at: Date,
    finished_at: Date,
    /** Whether its job was added in this round. */
    queued: { type: Boolean, required: true },
    /** Whether a worker that cannot make it has left it to others in this round. */
    left: Boolean,
    /** The month that it is counted in; nothing when it is not counted. */
    budget_month: String,
  },
  { collection: 'icon_images', versionKey: false, strict: 'throw' },
);
imageSchema.index({ batch_id: 1, index: 1 });
imageSchema.index({ batch_id: 1, status: 1, asked_at: 1 });
imageSchema.index({ batch_id: 1, finished_at: 1 });
imageSchema.index({ batch_id: 1, status: 1, index: 1 }, { partialFilterExpression: { queued: false } });

/** Never changed; removed with its batch. */
const eventSchema = new Schema(
  {
    batch_id: { type: String, required: true },
    seq: { type: Number, required: true },
    at: { type: Date, required: true },
    content: { type: Schema.Types.Mixed, required: true },
  },
  { collection: 'icon_batch_events', versionKey: false, strict: 'throw' },
);
eventSchema.index({ batch_id: 1, seq: 1 }, { unique: true });

/** Sums over all time, spread over some documents so that images that end together seldom collide. */
const statsSchema = new Schema(
  {
    _id: { type: Number, required: true },
    generated: { type: Number, required: true },
    failed: { type: Number, required: true },
    batches: { type: Number, required: true },
    generation_milliseconds: { type: Number, required: true },
    last_generation: Date,
  },
  { collection: 'icon_stats', versionKey: false, strict: 'throw' },
);

const budgetSchema = new Schema(
  {
    /** `<owner>|<month>`. */
    _id: { type: String, required: true },
    used: { type: Number, required: true },
  },
  { collection: 'icon_budgets', versionKey: false, strict: 'throw' },
);

export async function prepareIcons(connection: Connection): Promise<void> {
  await createMissing(connection, 'IconBatch', batchSchema);
  await prepareIconBatchMetadata(connection);
  await createMissing(connection, 'IconImage', imageSchema);
  await createMissing(connection, 'IconBatchEvent', eventSchema);
  await prepareIconGenerations(connection);
  await prepareIconReservations(connection);
  await createMissing(connection, 'IconStats', statsSchema);
  await createMissing(connection, 'IconBudget', budgetSchema);
}

export interface BatchDocument
  extends Omit<
    IconBatch,
    | 'batch_id'
    | 'created_at'
    | 'started_at'
    | 'completed_at'
    | 'progressed_at'
    | 'round_started_at'
    | 'done_before_round'
  > {
  _id: string;
  created_at: Date;
  started_at: Date | null;
  completed_at: Date | null;
  progressed_at: Date;
  /** Batches of earlier versions have neither. */
  round_started_at?: Date | null;
  done_before_round?: number;
  confirmed?: boolean;
  finished_round: number;
  calls_begun: number;
}

export interface ImageDocument extends Omit<IconImage, 'image_id' | 'file' | 'asked_at' | 'finished_at'> {
  _id: string;
  file: FileFields | null;
  asked_at: Date;
  progressed_at?: Date;
  confirmed?: boolean;
  finished_at: Date | null;
  queued: boolean;
  left?: boolean;
  budget_month: string | null;
}

export interface EventDocument {
  batch_id: string;
  seq: number;
  at: Date;
  content: BatchEventContent;
}

export interface StatsDocument {
  _id: number;
  generated: number;
  failed: number;
  batches: number;
  generation_milliseconds: number;
  last_generation?: Date;
}

export interface BudgetDocument {
  _id: string;
  used: number;
}

export function batches(connection: Connection) {
  return usable(connection).collection<BatchDocument>('icon_batches');
}

export function images(connection: Connection) {
  return usable(connection).collection<ImageDocument>('icon_images');
}

export function events(connection: Connection) {
  return usable(connection).collection<EventDocument>('icon_batch_events');
}

export function stats(connection: Connection) {
  return usable(connection).collection<StatsDocument>('icon_stats');
}

export function budgets(connection: Connection) {
  return usable(connection).collection<BudgetDocument>('icon_budgets');
}

/** What was kept before is left to the sweep, which cancels it a little later. By the clock of the process that keeps it. */
export function confirmableSince(): Date {
  return new Date(Date.now() - CONFIRMABLE_MILLISECONDS);
}

export function toBatch(document: BatchDocument): IconBatch {
  const {
    _id,
    confirmed: _confirmed,
    finished_round: _round,
    calls_begun: _calls,
    round_started_at = document.started_at,
    ...batch
  } = document;
  return {
    ...batch,
    batch_id: _id,
    created_at: batch.created_at.getTime(),
    started_at: batch.started_at?.getTime() ?? null,
    completed_at: batch.completed_at?.getTime() ?? null,
    progressed_at: batch.progressed_at.getTime(),
    round_started_at: round_started_at?.getTime() ?? null,
    done_before_round: batch.done_before_round ?? 0,
  };
}

export function toImage(document: ImageDocument): IconImage {
  const {
    _id,
    queued: _queued,
    left: _left,
    budget_month: _month,
    progressed_at: _progressed,
    confirmed: _confirmed,
    file,
    ...image
  } = document;
  return {
    ...image,
    image_id: _id,
    file: file && toFile(file),
    asked_at: image.asked_at.getTime(),
    finished_at: image.finished_at?.getTime() ?? null,
  };
}
