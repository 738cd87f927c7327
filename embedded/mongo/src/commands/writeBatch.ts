import { deserialize } from '../bson/deserialize.ts';
import { toNumber } from '../bson/numbers.ts';
import { type SerializableDocument, serialize } from '../bson/serialize.ts';
import { type Document, isArray, isDocument, isNumeric } from '../bson/values.ts';
import { MongoServerError } from '../errors.ts';
import { LockWait } from '../transactions/transaction.ts';
import type { CommandContext } from './command.ts';
import { waitForTransaction } from './lockWait.ts';

/** The counters and errors of a write command with many statements. */
export interface BatchResult {
  /** The first statement that has not run yet. */
  next: number;
  n: number;
  nModified: number;
  upserted: SerializableDocument[];
  writeErrors: SerializableDocument[];
}

/**
 * Runs the statements of a write command one after the other; each is atomic. A statement that meets a document
 * held by a transaction waits for that transaction and goes on. Inside a transaction the first error ends it.
 */
export async function runStatements(
  context: CommandContext,
  count: number,
  ordered: boolean,
  run: (index: number, result: BatchResult) => void,
): Promise<BatchResult> {
  const result = resumed(context) ?? { next: 0, n: 0, nModified: 0, upserted: [], writeErrors: [] };
  while (result.next < count) {
    try {
      run(result.next, result);
    } catch (error) {
      if (error instanceof LockWait) {
        rememberPartially(context, result);
        await waitForTransaction(error, context);
        continue;
      }
      if (!(error instanceof MongoServerError) || error.codeName === 'WriteConflict') throw error;
      result.writeErrors.push(writeError(result.next, error));
      if (ordered || context.transaction !== null) {
        result.next = count;
        break;
      }
    }
    result.next++;
  }
  return result;
}

function writeError(
  index: number,
  { code, codeName, message, details }: MongoServerError,
): SerializableDocument {
  return { index, code, codeName, errmsg: message, ...details };
}

/** What a retried command already did before its server stopped or its client lost the connection. */
function resumed({ session, body }: CommandContext): BatchResult | null {
  const record = session?.retry;
  if (record?.kind !== 'partial' || record.number !== body.txnNumber) return null;
  const { next, n, nModified, upserted, writeErrors } = record.body;
  return {
    next: counter(next),
    n: counter(n),
    nModified: counter(nModified),
    upserted: isArray(upserted) ? upserted.filter(isDocument) : [],
    writeErrors: isArray(writeErrors) ? writeErrors.filter(isDocument) : [],
  };
}

function counter(value: Document[string] | undefined): number {
  return isNumeric(value) ? toNumber(value) : 0;
}

/** While a command waits, others' changes are committed to disk, and with them the statements it already ran. */
function rememberPartially(
  { server, session, body, transaction }: CommandContext,
  result: BatchResult,
): void {
  const { txnNumber } = body;
  if (session === null || transaction !== null || typeof txnNumber !== 'bigint') return;
  server.sessions.remember(session, { kind: 'partial', number: txnNumber, body: asDocument(result) });
}

function asDocument(result: BatchResult): Document {
  return deserialize(serialize({ ...result }));
}
