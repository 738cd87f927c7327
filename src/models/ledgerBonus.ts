import { type ClientSession, type Connection, Schema } from 'mongoose';
import { checkOperation } from '../domain/credits/checkOperation.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import {
  answerOf,
  findReplies,
  keepReplies,
  type OnceAnswer,
  type OnceKey,
  type Reply,
} from './idempotency.ts';
import { LedgerBook, type LedgerChange } from './ledgerBook.ts';
import { accounts } from './ledgerDocuments.ts';
import { inTransaction } from './transaction.ts';

/** How far a bonus for everybody has come; there as long as it is under way. */
const runSchema = new Schema(
  {
    /** The key of the request. */
    _id: { type: String, required: true },
    fingerprint: { type: String, required: true },
    amount: { type: Number, required: true },
    /** The last user who got it. */
    after: { type: String, required: false },
    users_updated: { type: Number, required: true },
    at: { type: Date, required: true },
  },
  { collection: 'credit_bonus_runs', versionKey: false, strict: 'throw' },
);

interface RunDocument {
  _id: string;
  fingerprint: string;
  amount: number;
  after: string | null;
  users_updated: number;
  at: Date;
}

const USERS_AT_A_TIME = 200;

export interface BonusGiven {
  readonly users_updated: number;
  readonly total_credits_distributed: number;
}

export interface BonusOnce extends OnceKey {
  readonly reply: (given: BonusGiven) => Reply;
}

export async function prepareLedgerBonus(connection: Connection): Promise<void> {
  await createMissing(connection, 'CreditBonusRun', runSchema);
}

/**
 * Gives every user a bonus, page by page, each page a transaction that also says how far it has come. After a crash, and
 * from several processes at once, a call with the same key goes on where the others are; each user gets it once. Who would
 * have more credits than can be counted is left out.
 *
 * @param once - its `id` names the run; without a key of the client's, choose a random one
 * @param onChange - called after the commit of each page. Must not throw
 * @throws ServiceUnavailableError when MongoDB is away; what was given stays given
 */
export async function giveBonusToAll(
  connection: Connection,
  amount: number,
  once: BonusOnce,
  onChange: (change: LedgerChange) => void = () => undefined,
): Promise<OnceAnswer> {
  checkOperation({ kind: 'give-bonus', user_id: '', amount });
  for (;;) {
    const page = await inTransaction(connection, (session) => givePage(connection, amount, once, session));
    if (page.change) onChange(page.change);
    if (page.answer) return page.answer;
  }
}

interface GivenPage {
  readonly change?: LedgerChange;
  /** Nothing as long as there may be more users. */
  readonly answer?: OnceAnswer;
}

async function givePage(
  connection: Connection,
  amount: number,
  once: BonusOnce,
  session: ClientSession,
): Promise<GivenPage> {
  const kept = (await findReplies(connection, [once.id], session)).get(once.id);
  if (kept) return { answer: answerOf(kept, once) };
  const run = await findRun(connection, amount, once, session);
  if (run.fingerprint !== once.fingerprint) return { answer: { kind: 'other-request' } };
  const userIds = await usersBehind(connection, run.after, session);
  const { count, change } = await giveTo(connection, userIds, run.amount, session);
  const given = run.users_updated + count;
  const last = userIds.at(-1);
  if (last !== undefined && userIds.length === USERS_AT_A_TIME) {
    const progress = { ...run, after: last, users_updated: given };
    await runs(connection).replaceOne({ _id: once.id }, progress, { session, upsert: true });
    return { change };
  }
  await runs(connection).deleteOne({ _id: once.id }, { session });
  const reply = once.reply({ users_updated: given, total_credits_distributed: given * run.amount });
  await keepReplies(connection, [{ id: once.id, fingerprint: once.fingerprint, reply }], session);
  return { change, answer: { kind: 'first', reply } };
}

async function findRun(
  connection: Connection,
  amount: number,
  { id, fingerprint }: OnceKey,
  session: ClientSession,
): Promise<RunDocument> {
  const found = await runs(connection).findOne({ _id: id }, { session });
  return found ?? { _id: id, fingerprint, amount, after: null, users_updated: 0, at: new Date() };
}

async function usersBehind(
  connection: Connection,
  after: string | null,
  session: ClientSession,
): Promise<string[]> {
  const page = await accounts(connection)
    .find(after === null ? {} : { _id: { $gt: after } }, { session, projection: { _id: 1 } })
    .sort({ _id: 1 })
    .limit(USERS_AT_A_TIME)
    .toArray();
  return page.map((account) => account._id);
}

/** @returns how many of them got it, and what that has changed */
async function giveTo(
  connection: Connection,
  userIds: readonly string[],
  amount: number,
  session: ClientSession,
): Promise<{ count: number; change: LedgerChange }> {
  const bonuses = userIds.map((user_id) => ({ kind: 'give-bonus', user_id, amount }) as const);
  const book = await LedgerBook.open(connection, session, bonuses);
  const outcomes = bonuses.map((bonus) => book.carryOut(bonus));
  const change = await book.write();
  return { count: outcomes.filter((outcome) => outcome.kind === 'done').length, change };
}

function runs(connection: Connection) {
  return usable(connection).collection<RunDocument>('credit_bonus_runs');
}
