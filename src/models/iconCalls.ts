import type { ClientSession, Connection, mongo } from 'mongoose';
import { CALL_OUTCOMES, CALL_TRANSITIONS, type CallOutcome, type IconCall } from '../domain/icons/call.ts';
import type { ImageDocument } from './iconDocuments.ts';
import { type CallDocument, calls, generations, toCall } from './iconGenerationDocuments.ts';
import { inTransaction } from './transaction.ts';

/** A call that is about to be made. */
export interface NewCall {
  readonly call_id: string;
  readonly model: string;
}

/** Writes the call down as pending, in the transaction that lets it begin. */
export async function addCall(
  connection: Connection,
  image: ImageDocument,
  { call_id, model }: NewCall,
  session: ClientSession,
): Promise<void> {
  await calls(connection).insertOne(
    {
      _id: call_id,
      image_id: image._id,
      batch_id: image.batch_id,
      owner: image.owner,
      content_key: image.content_key,
      model,
      outcome: 'pending',
      detail: null,
      tokens: null,
      begun_at: new Date(),
      ended_at: null,
    },
    { session },
  );
}

/**
 * Writes down how a pending call ended. Changes nothing when its outcome is written down already.
 *
 * @param tokens - that were charged; nothing when no answer says so
 */
export async function endCall(
  connection: Connection,
  callId: string,
  outcome: Exclude<CallOutcome, 'pending'>,
  detail: string | null = null,
  tokens: number | null = null,
): Promise<void> {
  await inTransaction(connection, async (session) => {
    const ended = await setOutcome(connection, { _id: callId }, outcome, { detail, tokens }, session);
    if (ended && outcome === 'unknown') await countUnknown(connection, ended.content_key, 1, session);
  });
}

/** The call brought an image that is stored. */
export async function deliverCall(
  connection: Connection,
  callId: string,
  tokens: number | null,
  session: ClientSession,
): Promise<void> {
  await setOutcome(connection, { _id: callId }, 'delivered', { tokens }, session);
}

/**
 * Nobody waits for an answer of the key's pending calls any more: their outcome stays unknown.
 *
 * @returns how many these were
 */
export async function giveUpCallsOf(
  connection: Connection,
  key: string,
  session: ClientSession,
): Promise<number> {
  const lost = await calls(connection).updateMany(
    { content_key: key, outcome: { $in: outcomesBefore('unknown') } },
    { $set: { outcome: 'unknown', detail: LOST, ended_at: new Date() } },
    { session },
  );
  return lost.modifiedCount;
}

/**
 * Marks pending calls whose process ended before it wrote an answer down, and whose image nobody runs again, as unknown.
 *
 * @param begunBefore - milliseconds; longer ago than any call takes
 * @returns how many these were, at most `limit`
 */
export async function giveUpLostCalls(
  connection: Connection,
  begunBefore: number,
  limit: number,
): Promise<number> {
  const lost = await calls(connection)
    .find({ outcome: 'pending', begun_at: { $lte: new Date(begunBefore) } }, { projection: { _id: 1 } })
    .sort({ begun_at: 1, _id: 1 })
    .limit(limit)
    .toArray();
  for (const { _id } of lost) await endCall(connection, _id, 'unknown', LOST);
  return lost.length;
}

export async function countCalls(connection: Connection): Promise<Record<CallOutcome, number>> {
  const count = (outcome: CallOutcome) => calls(connection).countDocuments({ outcome });
  const [pending, delivered, refused, unknown] = await Promise.all([
    count('pending'),
    count('delivered'),
    count('refused'),
    count('unknown'),
  ]);
  return { pending, delivered, refused, unknown };
}

/** Paid calls that run, and those whose outcome nobody knows: few beside all that were ever made. */
export async function countUncertainCalls(
  connection: Connection,
): Promise<Record<'pending' | 'unknown', number>> {
  const count = (outcome: CallOutcome) => calls(connection).countDocuments({ outcome });
  const [pending, unknown] = await Promise.all([count('pending'), count('unknown')]);
  return { pending, unknown };
}

/** Calls that ended like that, the newest first. */
export async function listCalls(
  connection: Connection,
  outcome: CallOutcome,
  limit: number,
): Promise<IconCall[]> {
  const found = await calls(connection)
    .find({ outcome })
    .sort({ outcome: 1, begun_at: -1, _id: -1 })
    .limit(limit)
    .toArray();
  return found.map(toCall);
}

const LOST = 'the process ended before it wrote an answer down';

async function setOutcome(
  connection: Connection,
  filter: mongo.Filter<CallDocument>,
  outcome: CallOutcome,
  details: { readonly detail?: string | null; readonly tokens?: number | null },
  session: ClientSession,
): Promise<CallDocument | undefined> {
  const ended = await calls(connection).findOneAndUpdate(
    { ...filter, outcome: { $in: outcomesBefore(outcome) } },
    { $set: { outcome, ...details, ended_at: new Date() } },
    { session, returnDocument: 'after' },
  );
  return ended ?? undefined;
}

async function countUnknown(
  connection: Connection,
  key: string,
  number: number,
  session: ClientSession,
): Promise<void> {
  await generations(connection).updateOne(
    { _id: key },
    { $inc: { unknown_in_a_row: number }, $set: { updated_at: new Date() } },
    { session },
  );
}

function outcomesBefore(to: CallOutcome): CallOutcome[] {
  return CALL_OUTCOMES.filter((from) => CALL_TRANSITIONS[from].includes(to));
}
