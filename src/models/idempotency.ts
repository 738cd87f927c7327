import { type ClientSession, type Connection, Schema } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { inTransaction } from './transaction.ts';

/** What was answered to a write under a key. Never changed and never deleted. */
const replySchema = new Schema(
  {
    _id: { type: String, required: true },
    fingerprint: { type: String, required: true },
    status: { type: Number, required: true },
    body: { type: String, required: true },
    at: { type: Date, required: true },
  },
  { collection: 'idempotency_replies', versionKey: false, strict: 'throw' },
);

/** What a write answers, as it is kept. */
export interface Reply {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
}

export type OnceAnswer =
  | { readonly kind: 'first'; readonly reply: Reply }
  /** The write was done before; refusals are replayed too. */
  | { readonly kind: 'replayed'; readonly reply: Reply }
  /** The key belongs to a request with another body. */
  | { readonly kind: 'other-request' };

/** Which write it is that must not be done twice. */
export interface OnceKey {
  /** Made of the caller, the route and the key that the client sent. */
  readonly id: string;
  /** Made of the body: the same key with another one is another request. */
  readonly fingerprint: string;
}

/** A reply with the request that it belongs to. */
export interface KeptReply extends OnceKey {
  readonly reply: Reply;
}

interface ReplyDocument {
  _id: string;
  fingerprint: string;
  status: number;
  body: string;
  at: Date;
}

export async function prepareIdempotency(connection: Connection): Promise<void> {
  await createMissing(connection, 'IdempotencyReply', replySchema);
}

/**
 * Runs a write in one transaction together with keeping its reply, for ever. A thrown error rolls everything back and does
 * not use the key up.
 *
 * @param steps - may run several times and must do nothing outside of the session
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function runOnce(
  connection: Connection,
  once: OnceKey,
  steps: (session: ClientSession) => Promise<Reply>,
): Promise<OnceAnswer> {
  return inTransaction(connection, async (session) => {
    const kept = (await findReplies(connection, [once.id], session)).get(once.id);
    if (kept) return answerOf(kept, once);
    const reply = await steps(session);
    await keepReplies(connection, [{ ...once, reply }], session);
    return { kind: 'first', reply };
  });
}

/** What a repeat gets: the reply, unless the key belongs to another request. */
export function answerOf(kept: KeptReply, once: OnceKey): OnceAnswer {
  if (kept.fingerprint !== once.fingerprint) return { kind: 'other-request' };
  return { kind: 'replayed', reply: kept.reply };
}

/** The replies that are kept under these ids. */
export async function findReplies(
  connection: Connection,
  ids: readonly string[],
  session?: ClientSession,
): Promise<Map<string, KeptReply>> {
  if (ids.length === 0) return new Map();
  const found = await replies(connection)
    .find({ _id: { $in: [...ids] } }, session ? { session } : {})
    .toArray();
  return new Map(
    found.map(({ _id: id, fingerprint, status, body }) => [
      id,
      { id, fingerprint, reply: { status: Number(status), body } },
    ]),
  );
}

/** Keeps replies in the transaction of the writes that they answer. */
export async function keepReplies(
  connection: Connection,
  kept: readonly KeptReply[],
  session: ClientSession,
): Promise<void> {
  if (kept.length === 0) return;
  const at = new Date();
  await replies(connection).insertMany(
    kept.map(({ id, fingerprint, reply }) => ({
      _id: id,
      fingerprint,
      status: reply.status,
      body: reply.body,
      at,
    })),
    { session, ordered: false },
  );
}

function replies(connection: Connection) {
  return usable(connection).collection<ReplyDocument>('idempotency_replies');
}
