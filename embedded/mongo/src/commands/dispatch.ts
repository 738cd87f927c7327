import { deserialize } from '../bson/deserialize.ts';
import { toNumber } from '../bson/numbers.ts';
import type { SerializableDocument } from '../bson/serialize.ts';
import { serialize } from '../bson/serialize.ts';
import { type Document, isNumeric } from '../bson/values.ts';
import { badValue, MongoServerError, notSupported, unknownField } from '../errors.ts';
import { CommitFailed } from '../storage/errors.ts';
import { latestView, type ReadView } from '../store/record.ts';
import type { Session } from '../transactions/session.ts';
import { tooOld } from '../transactions/sessions.ts';
import type { Transaction } from '../transactions/transaction.ts';
import type { Request } from '../wire/messages.ts';
import type { Command, CommandContext, CommandReply, ServerState } from './command.ts';
import { documentField } from './fields.ts';
import { commands } from './table.ts';

const genericFields = new Set([
  '$db',
  '$readPreference',
  '$clusterTime',
  'lsid',
  'txnNumber',
  'autocommit',
  'startTransaction',
  'readConcern',
  'writeConcern',
  'comment',
  'maxTimeMS',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
]);

const readConcernLevels = new Set(['local', 'available', 'majority', 'linearizable', 'snapshot']);

/** Runs one command and gives its reply; an error becomes a reply with `ok: 0`. The reply means: on disk. */
export async function dispatch(
  server: ServerState,
  request: Request,
  connectionId: number,
): Promise<CommandReply> {
  let context: CommandContext | null = null;
  try {
    const { body } = request;
    const [name = ''] = Object.keys(body);
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) throw new MongoServerError('CommandNotFound', `no such command: '${name}'`);
    checkKnownFields(body, name, command);
    context = contextOf(server, request, name, connectionId, command);
    return await runDurably(command, context);
  } catch (error) {
    if (context?.transaction && context.session?.transaction === context.transaction)
      server.sessions.abort(context.session);
    return errorReply(error);
  }
}

function checkKnownFields(body: Document, name: string, command: Command): void {
  for (const field of Object.keys(body)) {
    const isKnown = field === name || genericFields.has(field) || command.fields.includes(field);
    if (!isKnown) throw unknownField(name, field);
  }
}

function contextOf(
  server: ServerState,
  { body, sequences }: Request,
  name: string,
  connectionId: number,
  command: Command,
): CommandContext {
  const { $db: database, txnNumber } = body;
  if (typeof database !== 'string' || database === '') throw badValue('a command needs $db');
  checkWriteConcern(body);
  const session = server.sessions.forCommand(body);
  const isEnding = name === 'commitTransaction' || name === 'abortTransaction';
  let transaction: Transaction | null = null;
  if (body.autocommit === false && !isEnding) {
    if (command.inTransaction !== true)
      throw new MongoServerError(
        'OperationNotSupportedInTransaction',
        `Cannot run '${name}' in a multi-document transaction.`,
      );
    if (session === null || typeof txnNumber !== 'bigint')
      throw badValue('a transaction needs lsid and txnNumber');
    transaction =
      body.startTransaction === true
        ? server.sessions.begin(session, txnNumber, connectionId)
        : server.sessions.continue(session, txnNumber, connectionId);
  }
  return {
    server,
    store: server.store,
    name,
    body,
    database,
    sequences,
    connectionId,
    session,
    transaction,
    view: viewOf(body, transaction),
  };
}

/** This server is one member: no write can wait for more, so it is refused before it is made. */
function checkWriteConcern(body: Document): void {
  const { w } = documentField(body, 'writeConcern') ?? {};
  const isSatisfiable = w === undefined || w === 'majority' || (isNumeric(w) && toNumber(w) <= 1);
  if (!isSatisfiable)
    throw new MongoServerError(
      'UnsatisfiableWriteConcern',
      `Not enough data-bearing nodes for writeConcern.w: ${isNumeric(w) ? toNumber(w) : JSON.stringify(w)}`,
    );
}

/** What the command reads: its transaction's snapshot, or everything committed. A single command is atomic by itself. */
function viewOf(body: Document, transaction: Transaction | null): ReadView {
  const { level = 'local', atClusterTime } = documentField(body, 'readConcern') ?? {};
  if (typeof level !== 'string' || !readConcernLevels.has(level))
    throw badValue(`readConcern level '${String(level)}' is not supported`);
  if (atClusterTime !== undefined) throw notSupported('readConcern.atClusterTime');
  return transaction?.view ?? latestView;
}

async function runDurably(command: Command, context: CommandContext): Promise<CommandReply> {
  const { store, session, transaction, body } = context;
  const isRetryable =
    session !== null &&
    transaction === null &&
    typeof body.txnNumber === 'bigint' &&
    body.autocommit === undefined;
  await store.journal.room();
  const reply = isRetryable
    ? await runOnce(command, context, session, body.txnNumber)
    : await command.run(context);
  const failed = transaction !== null && reply.writeErrors !== undefined;
  // the first error of a transaction ends it, as in MongoDB
  if (failed && session?.transaction === transaction) context.server.sessions.abort(session);
  if (transaction === null && changesData(context)) await store.journal.flushed();
  return reply;
}

const readOnly = new Set([
  'hello',
  'isMaster',
  'ismaster',
  'ping',
  'find',
  'getMore',
  'count',
  'distinct',
  'listIndexes',
  'listCollections',
  'listDatabases',
  'buildInfo',
  'serverStatus',
  'explain',
  'killCursors',
  'refreshSessions',
  'abortTransaction',
  'dbStats',
  'collStats',
]);

function changesData({ name }: CommandContext): boolean {
  return !readOnly.has(name);
}

/** A numbered write runs once: a retry gets the remembered reply, or waits for the first to finish. */
async function runOnce(
  command: Command,
  context: CommandContext,
  session: Session,
  number: Document[string] | undefined,
): Promise<CommandReply> {
  if (typeof number !== 'bigint') throw badValue('txnNumber must be a long');
  while (session.running !== null) await session.running;
  if (number < session.lastNumber) throw tooOld(session, number);
  if (session.retry?.number === number && session.retry.kind === 'reply') return session.retry.body;
  const finished = Promise.withResolvers<void>();
  session.running = finished.promise;
  try {
    if (session.transaction !== null) context.server.sessions.abort(session);
    const reply = await command.run(context);
    context.server.sessions.remember(session, { kind: 'reply', number, body: plain(reply) });
    return reply;
  } finally {
    session.running = null;
    finished.resolve();
  }
}

function plain(reply: SerializableDocument): Document {
  return deserialize(serialize(reply));
}

function errorReply(error: unknown): CommandReply {
  if (error instanceof MongoServerError) {
    const { code, codeName, message, errorLabels, details } = error;
    return {
      ok: 0,
      errmsg: message,
      code,
      codeName,
      ...(errorLabels.length > 0 ? { errorLabels: [...errorLabels] } : {}),
      ...details,
    };
  }
  if (error instanceof CommitFailed) {
    return { ok: 0, errmsg: error.message, code: 14031, codeName: 'OutOfDiskSpace' };
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    `${new Date().toISOString()} unexpected error: ${error instanceof Error ? error.stack : message}\n`,
  );
  return {
    ok: 0,
    errmsg: `unexpected error in the embedded MongoDB server: ${message}`,
    code: 1,
    codeName: 'InternalError',
  };
}
