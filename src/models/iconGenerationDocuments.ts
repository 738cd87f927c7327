import { type Connection, Schema } from 'mongoose';
import type { CallOutcome, IconCall } from '../domain/icons/call.ts';
import type { IconFile } from '../domain/icons/icon.ts';
import type { StoredIcon, StoredIconMetadata } from '../domain/icons/storedIcon.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

export const fileSchema = new Schema(
  {
    path: { type: String, required: true },
    folder: { type: String, required: true },
    size: { type: Number, required: true },
    created_at: { type: Date, required: true },
  },
  { _id: false },
);

/** One for each content: where its icon is, or who makes it. */
const generationSchema = new Schema(
  {
    /** The content key. */
    _id: { type: String, required: true },
    ready: { type: Boolean, required: true },
    file: fileSchema,
    generation_milliseconds: Number,
    /** The image whose run makes it. */
    holder: String,
    lease_until: Date,
    lease_milliseconds: { type: Number, required: true },
    /** Until then the run that makes it is alive, for sure. */
    alive_until: Date,
    /** The image whose run made it. */
    made_by: String,
    /** Calls whose outcome is unknown since the last final result. */
    unknown_in_a_row: { type: Number, required: true },
    /** Calls of the current run of calls, that is since the last final result, or a minute in which nobody tried. */
    attempts: Number,
    /** No call begins before, because the last one failed. */
    not_before: Date,
    failed_at: Date,
    failed_reason: String,
    /** Calls that were made until it failed. */
    failed_attempts: Number,
    updated_at: { type: Date, required: true },
  },
  { collection: 'icon_generations', versionKey: false, strict: 'throw' },
);
generationSchema.index({ updated_at: 1 }, { partialFilterExpression: { ready: false } });

/** Every outcome is reached through `CALL_TRANSITIONS`. Kept for ever: they tell what was paid. */
const callSchema = new Schema(
  {
    _id: { type: String, required: true },
    image_id: { type: String, required: true },
    batch_id: String,
    owner: { type: String, required: true },
    content_key: { type: String, required: true },
    model: { type: String, required: true },
    outcome: { type: String, required: true },
    detail: String,
    tokens: Number,
    begun_at: { type: Date, required: true },
    ended_at: Date,
  },
  { collection: 'icon_calls', versionKey: false, strict: 'throw' },
);
callSchema.index({ outcome: 1, begun_at: -1, _id: -1 });
callSchema.index({ content_key: 1, outcome: 1 });

const iconFileSchema = new Schema(
  {
    /** The path. */
    _id: { type: String, required: true },
    folder: { type: String, required: true },
    size: { type: Number, required: true },
    created_at: { type: Date, required: true },
    content_key: { type: String, required: true },
    generation_milliseconds: Number,
    metadata: {
      type: {
        _id: false,
        style: { type: String, required: true },
        color_scheme: { type: String, required: true },
        category: { type: String, required: true },
        model: { type: String, required: true },
      },
      required: true,
    },
    saved: { type: Boolean, required: true },
  },
  { collection: 'icon_files', versionKey: false, strict: 'throw' },
);
iconFileSchema.index({ created_at: -1, _id: -1 });
iconFileSchema.index({ folder: 1, created_at: -1, _id: -1 });
iconFileSchema.index({ folder: 1, 'metadata.category': 1 });
iconFileSchema.index({ saved: 1, created_at: 1, _id: 1 });
iconFileSchema.index({ saved: 1, folder: 1, created_at: 1, _id: 1 });

export async function prepareIconGenerations(connection: Connection): Promise<void> {
  await createMissing(connection, 'IconGeneration', generationSchema);
  await createMissing(connection, 'IconCall', callSchema);
  await createMissing(connection, 'IconFile', iconFileSchema);
}

/** A stored file, as documents name it. */
export interface FileFields {
  path: string;
  folder: string;
  size: number;
  created_at: Date;
}

export interface GenerationDocument {
  _id: string;
  ready: boolean;
  file: FileFields | null;
  generation_milliseconds: number | null;
  holder: string | null;
  lease_until: Date | null;
  lease_milliseconds: number;
  alive_until?: Date | null;
  made_by?: string | null;
  unknown_in_a_row: number;
  attempts?: number;
  not_before?: Date | null;
  failed_at: Date | null;
  failed_reason: string | null;
  failed_attempts?: number;
  updated_at: Date;
}

export interface CallDocument extends Omit<IconCall, 'call_id' | 'begun_at' | 'ended_at'> {
  _id: string;
  outcome: CallOutcome;
  begun_at: Date;
  ended_at: Date | null;
}

export interface IconFileDocument {
  _id: string;
  folder: string;
  size: number;
  created_at: Date;
  content_key: string;
  generation_milliseconds: number | null;
  metadata: StoredIconMetadata;
  saved: boolean;
}

export function generations(connection: Connection) {
  return usable(connection).collection<GenerationDocument>('icon_generations');
}

export function calls(connection: Connection) {
  return usable(connection).collection<CallDocument>('icon_calls');
}

export function iconFiles(connection: Connection) {
  return usable(connection).collection<IconFileDocument>('icon_files');
}

export function toFile(file: FileFields): IconFile {
  return { ...file, created_at: file.created_at.getTime() };
}

export function fromFile(file: IconFile): FileFields {
  const { path, folder, size, created_at } = file;
  return { path, folder, size, created_at: new Date(created_at) };
}

export function toCall({ _id, ...call }: CallDocument): IconCall {
  return {
    ...call,
    call_id: _id,
    begun_at: call.begun_at.getTime(),
    ended_at: call.ended_at?.getTime() ?? null,
  };
}

export function toStoredIcon({ _id, content_key, ...icon }: IconFileDocument): StoredIcon {
  return { ...icon, path: _id, id: content_key.slice(0, 8), created_at: icon.created_at.getTime() };
}
