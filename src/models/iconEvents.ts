import type { ClientSession, Connection } from 'mongoose';
import type { BatchEvent, BatchEventContent } from '../domain/icons/events.ts';
import { batches, events } from './iconDocuments.ts';

/**
 * Writes the next events of a batch, in the transaction that also writes the batch's `event_seq`: that document makes
 * transactions of one batch follow each other, so the numbers have no gap and are in the order of the commits.
 *
 * @param firstSeq - the number of the first one
 */
export async function addEvents(
  connection: Connection,
  batchId: string,
  firstSeq: number,
  contents: readonly BatchEventContent[],
  session: ClientSession,
): Promise<void> {
  if (contents.length === 0) return;
  const at = new Date();
  await events(connection).insertMany(
    contents.map((content, place) => ({ batch_id: batchId, seq: firstSeq + place, at, content })),
    { session },
  );
}

/** Events after that number, in order, at most `limit`. */
export async function readEvents(
  connection: Connection,
  batchId: string,
  afterSeq: number,
  limit: number,
): Promise<BatchEvent[]> {
  const found = await events(connection)
    .find({ batch_id: batchId, seq: { $gt: afterSeq } })
    .sort({ batch_id: 1, seq: 1 })
    .limit(limit)
    .toArray();
  return found.map(({ batch_id, seq, at, content }) => ({ ...content, batch_id, seq, at: at.getTime() }));
}

/** The number of the last event of each of these batches. */
export async function readLastSeqs(
  connection: Connection,
  batchIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const found = await batches(connection)
    .find({ _id: { $in: [...batchIds] } })
    .project<{ _id: string; event_seq: number }>({ event_seq: 1 })
    .toArray();
  return new Map(found.map(({ _id, event_seq }) => [_id, event_seq]));
}
