/**
 * Tells an outage of Redis or MongoDB from every other failure. An outage postpones jobs and answers 503; it is nobody's
 * fault and burns no attempts.
 */

import { ReplyError } from 'ioredis';
import { mongo } from 'mongoose';

/** A store is away or overloaded; the caller should come back in a moment. */
export class ServiceUnavailableError extends Error {
  override name = 'ServiceUnavailableError';
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/**
 * Runs a call to Redis and names its failure: whatever is neither an answer of the server nor a defect of the caller is an
 * outage. ioredis reports a lost connection, a time-out and a closed client as plain errors without a class or a code, so
 * the absence of a reply is the only thing to go by.
 *
 * @throws ServiceUnavailableError when Redis did not answer, or answered that it cannot serve now
 */
export async function withRedis<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw namedFailure(error);
  }
}

/** What `withRedis` throws for this failure of a call to Redis. */
export function namedFailure(error: unknown): unknown {
  if (error instanceof ServiceUnavailableError) return error;
  if (error instanceof Error && error instanceof ReplyError && !REDIS_NOT_SERVING.has(replyCode(error)))
    return error;
  if (isDefect(error) || isScriptAnswer(error)) return error;
  return new ServiceUnavailableError('Redis is not available; try again in a moment', 2, { cause: error });
}

/** The language's own errors: no connection fails with one. */
function isDefect(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError
  );
}

/** BullMQ's scripts answer with a number when a job is gone or in another state. */
function isScriptAnswer(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

/** True when the failure is an outage of Redis or MongoDB. */
export function isOutage(error: unknown): boolean {
  if (error instanceof ServiceUnavailableError) return true;
  if (error instanceof Error && error instanceof ReplyError) return REDIS_NOT_SERVING.has(replyCode(error));
  if (isBrokenConnection(error)) return true;
  if (!(error instanceof mongo.MongoError)) return false;
  // A bulk write wraps what kept it from being sent, and only then holds an error in place of the server's answer.
  if (error instanceof mongo.MongoBulkWriteError && error.errorResponse instanceof Error)
    return isOutage(error.errorResponse);
  return (
    MONGO_OUTAGES.some((outage) => error instanceof outage) ||
    MONGO_OUTAGE_NAMES.has(error.name) ||
    MONGO_TEMPORARY.some((label) => error.hasErrorLabel(label)) ||
    (error instanceof mongo.MongoServerError && MONGO_NOT_SERVING.has(Number(error.code)))
  );
}

/**
 * A socket's own error. The driver hands it on as it is when the connection breaks while a command waits to be written; one
 * that the other side has closed has only the code, no system call.
 */
function isBrokenConnection(error: unknown): boolean {
  return error instanceof Error && 'code' in error && BROKEN_CONNECTION.has(String(error.code));
}

const BROKEN_CONNECTION: ReadonlySet<string> = new Set([
  'EPIPE',
  'ECONNRESET',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
]);

/** First word of an error reply of Redis, which the protocol defines as its code: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors */
export function replyCode(reply: { readonly message: string }): string {
  return reply.message.split(' ', 1)[0] ?? '';
}

const REDIS_NOT_SERVING: ReadonlySet<string> = new Set([
  'LOADING',
  'READONLY',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'MISCONF',
  'OOM',
  'BUSY',
  'NOREPLICAS',
  // It became a replica while a worker waited for a job.
  'UNBLOCKED',
  // The password or the rights of this connection are not what they were.
  'NOAUTH',
  'WRONGPASS',
  'NOPERM',
  // A command of a transaction was refused before it began, with one of the codes above; BullMQ hands on only this one.
  'EXECABORT',
  // Its scripts are gone; they are sent anew on a new connection.
  'NOSCRIPT',
]);

const MONGO_OUTAGES = [
  mongo.MongoNetworkError,
  mongo.MongoServerSelectionError,
  mongo.MongoNotConnectedError,
  mongo.MongoTopologyClosedError,
  mongo.MongoOperationTimeoutError,
  mongo.MongoWriteConcernError,
] as const;

/** Classes that the driver does not export: no connection became free in time. */
const MONGO_OUTAGE_NAMES: ReadonlySet<string> = new Set(['MongoWaitQueueTimeoutError']);

/** Labels by which the server or the driver says that the same may succeed when it is tried again. */
const MONGO_TEMPORARY = [
  'TransientTransactionError',
  'UnknownTransactionCommitResult',
  'RetryableWriteError',
] as const;

/** OutOfDiskSpace: writes go on when somebody has made room. */
const MONGO_FULL = 14_031;

/**
 * Codes of a server that is there but stepping down, starting, shutting down or full:
 * https://github.com/mongodb/specifications/blob/master/source/server-discovery-and-monitoring/server-discovery-and-monitoring.md
 */
const MONGO_NOT_SERVING: ReadonlySet<number> = new Set([
  6,
  7,
  89,
  91,
  189,
  262,
  9001,
  10107,
  11600,
  11602,
  13435,
  13436,
  MONGO_FULL,
]);
