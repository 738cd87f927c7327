import { type ClientSession, type Connection, Schema } from 'mongoose';
import type { BatchRequest } from '../domain/icons/batchRequest.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

type BatchMetadata = BatchRequest['metadata'];

/**
 * What callers keep with a batch, beside the batches: it may be as large as a request, and batches are read in hundreds and written with each of their images.
 */
const metadataSchema = new Schema(
  {
    /** The batch id. */
    _id: { type: String, required: true },
    /** As JSON text: no name in it means anything to MongoDB. */
    text: { type: String, required: true },
  },
  { collection: 'icon_batch_metadata', versionKey: false, strict: 'throw' },
);

interface MetadataDocument {
  _id: string;
  text: string;
}

export async function prepareIconBatchMetadata(connection: Connection): Promise<void> {
  await createMissing(connection, 'IconBatchMetadata', metadataSchema);
}

/** Keeps it in the transaction that keeps the batch. */
export async function keepBatchMetadata(
  connection: Connection,
  batchId: string,
  metadata: BatchMetadata,
  session: ClientSession,
): Promise<void> {
  if (metadata === null) return;
  await kept(connection).insertOne({ _id: batchId, text: JSON.stringify(metadata) }, { session });
}

/** @returns nothing when the batch has none, or is gone */
export async function readBatchMetadata(connection: Connection, batchId: string): Promise<BatchMetadata> {
  const found = await kept(connection).findOne({ _id: batchId });
  return found ? JSON.parse(found.text) : null;
}

/** Removes it in the transaction that removes the batch. */
export async function removeBatchMetadata(
  connection: Connection,
  batchId: string,
  session: ClientSession,
): Promise<void> {
  await kept(connection).deleteOne({ _id: batchId }, { session });
}

function kept(connection: Connection) {
  return usable(connection).collection<MetadataDocument>('icon_batch_metadata');
}
