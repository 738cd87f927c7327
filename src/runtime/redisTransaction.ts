import { type Command, type Redis, ReplyError } from 'ioredis';
import { replyCode } from './outage.ts';

/** A transaction had other commands than were put into it, so that nobody knows what was carried out. */
export class TransactionMixedUpError extends Error {
  override name = 'TransactionMixedUpError';

  constructor(replies: number, commands: number) {
    super(
      `Redis carried out ${replies} commands in a transaction of ${commands}; all must go over its connection`,
    );
  }
}

/**
 * Sends what is sent to Redis meanwhile in one packet. Takes the place of ioredis's pipelines where there are many of
 * them: a pipeline has a property that is defined for it alone, so that the engine keeps it, and all that its commands
 * carry, until the next full garbage collection; and every script of the connection is copied onto it, sixty of BullMQ's.
 *
 * @param send - calls commands of `redis` before it returns
 */
export function inOnePacket<T>(redis: Redis, send: () => T): T {
  // There is none while Redis is away; then there is nothing to hold back either.
  const stream: Redis['stream'] | undefined = redis.stream;
  stream?.cork();
  try {
    return send();
  } finally {
    stream?.uncork();
  }
}

/**
 * Carries out commands in one transaction, without anything in between: all of them or, when it throws, none or, if Redis
 * went away while it answered, possibly all. One that fails while it is carried out does not undo the others.
 *
 * @param queueCommands - calls them on `redis`, before it returns, and hands over their promises
 * @returns their replies, in order
 * @throws what ioredis or Redis refuses one of them with
 */
export async function inTransaction(
  redis: Redis,
  queueCommands: () => readonly Promise<unknown>[],
): Promise<unknown[]> {
  const { opened, queued, executed } = inOnePacket(redis, () =>
    asOneUnit(redis, (sent) => {
      try {
        return { opened: redis.multi({ pipeline: false }), queued: queueCommands(), executed: redis.exec() };
      } catch (error) {
        // Left open, the transaction would swallow whatever this connection sends next.
        void redis.discard();
        // Nobody has their promises now.
        for (const command of sent) command.promise.catch(() => undefined);
        throw error;
      }
    }),
  );
  // The first that is refused says why; those behind it say only that nothing was carried out.
  for (const sent of await Promise.allSettled([opened, ...queued, executed])) {
    if (sent.status === 'rejected') throw sent.reason;
  }
  const replies = (await executed) ?? [];
  if (replies.length !== queued.length) throw new TransactionMixedUpError(replies.length, queued.length);
  return sendingForgottenScripts(redis, async () =>
    replies.map(([error, reply]) => {
      if (error) throw error;
      return reply;
    }),
  );
}

/** What a connection is being given as one unit; nothing most of the time. */
interface Unit {
  sent: Command[] | undefined;
}

const units = new WeakMap<Redis, Unit>();

/**
 * After a reconnect ioredis sends again what was not answered, command by command: of a transaction of which the first answers
 * had come, the rest would be carried out without its MULTI. Numbered like those of a pipeline, its commands are sent again
 * all together or, once one was answered, fail with the connection.
 *
 * @param send - is given what was sent so far, and sees it grow
 */
function asOneUnit<T>(redis: Redis, send: (sent: readonly Command[]) => T): T {
  const unit = unitOf(redis);
  const sent: Command[] = [];
  unit.sent = sent;
  try {
    return send(sent);
  } finally {
    unit.sent = undefined;
  }
}

/** Listens in on what the connection sends, from the first unit on. */
function unitOf(redis: Redis): Unit {
  const known = units.get(redis);
  if (known) return known;
  const unit: Unit = { sent: undefined };
  const sendCommand = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, stream) => {
    if (unit.sent) command.pipelineIndex = unit.sent.push(command) - 1;
    return sendCommand(command, stream);
  };
  units.set(redis, unit);
  return unit;
}

/**
 * Redis may forget its scripts (`SCRIPT FLUSH`). ioredis sends a forgotten one anew, but not in a transaction, where it takes
 * the command's `QUEUED` for success. On a new connection it sends each anew.
 *
 * @param transaction - of scripts, on `redis`; fails the first time after that
 */
export async function sendingForgottenScripts<T>(redis: Redis, transaction: () => Promise<T>): Promise<T> {
  try {
    return await transaction();
  } catch (error) {
    if (error instanceof Error && error instanceof ReplyError && replyCode(error) === 'NOSCRIPT')
      redis.disconnect(true);
    throw error;
  }
}
