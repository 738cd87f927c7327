import { randomInt } from 'node:crypto';
import type { Connection } from 'mongoose';
import type { RandomIndex } from '../domain/workspace/projectCode.ts';
import { Coalescer } from '../runtime/coalescer.ts';
import {
  answerOf,
  findReplies,
  type KeptReply,
  keepReplies,
  type OnceAnswer,
  type OnceKey,
  type Reply,
} from './idempotency.ts';
import { inTransaction } from './transaction.ts';
import { WorkspaceBook, type WorkspaceCommand, type WorkspaceOutcome } from './workspaceBook.ts';
import { whyNotBegin } from './writeInTime.ts';

/** A write, and what it answers. */
export interface WorkspaceWrite {
  readonly command: WorkspaceCommand;
  /** Says what is answered, also to a refusal. May be called several times; the last call is the one that counts. */
  readonly reply: (outcome: WorkspaceOutcome) => Reply;
  /** With a key the reply is kept for ever. */
  readonly once: OnceKey | undefined;
}

interface Request extends WorkspaceWrite {
  /** `performance.now()` */
  readonly since: number;
}

/**
 * One write at a time: a busy user never collides with itself in one process. The largest contents of one write together
 * fit into a transaction.
 */
const WRITE_LIMITS = { largestWrite: 16, mostWaiting: 512, writesAtOnce: 1 } as const;

/** Less than of other writes: sixteen contents of a megabyte are in the commit for longer. */
const LONGEST_WRITE_MILLISECONDS = 500;

/** Saves and deletes projects. Concurrent writes of one process share transactions. */
export class WorkspaceWriter {
  readonly #connection: Connection;
  readonly #randomIndex: RandomIndex;
  readonly #writes: Coalescer<Request, OnceAnswer>;

  /** @param randomIndex - draws the characters of project codes */
  constructor(connection: Connection, randomIndex: RandomIndex = randomInt) {
    this.#connection = connection;
    this.#randomIndex = randomIndex;
    this.#writes = new Coalescer(
      (writes) => this.#commit(writes),
      WRITE_LIMITS,
      ({ since }) => whyNotBegin(since),
    );
  }

  /**
   * Carries the command out, all of it or nothing; under a key unless it was before.
   *
   * @param since - when the client began to wait, in `performance.now()`: what waits for too long is not begun
   * @throws ServiceUnavailableError when MongoDB is away or too much waits; it may be done or not when MongoDB went away
   *   in the middle, otherwise not
   */
  write(write: WorkspaceWrite, since = performance.now()): Promise<OnceAnswer> {
    return this.#writes.add({ ...write, since });
  }

  #commit(writes: readonly WorkspaceWrite[]): Promise<OnceAnswer[]> {
    return inTransaction(
      this.#connection,
      async (session) => {
        const keys = writes.flatMap(({ once }) => once?.id ?? []);
        const kept = await findReplies(this.#connection, keys, session);
        const book = await WorkspaceBook.open(
          this.#connection,
          session,
          this.#randomIndex,
          writes.filter(({ once }) => !once || !kept.has(once.id)).map(({ command }) => command),
        );
        const fresh: KeptReply[] = [];
        const answers = writes.map((write) => carryOut(write, book, kept, fresh));
        await book.write();
        await keepReplies(this.#connection, fresh, session);
        return answers;
      },
      LONGEST_WRITE_MILLISECONDS,
    );
  }
}

/** @param fresh - gets the reply that is to be kept */
function carryOut(
  { command, reply, once }: WorkspaceWrite,
  book: WorkspaceBook,
  kept: Map<string, KeptReply>,
  fresh: KeptReply[],
): OnceAnswer {
  const known = once && kept.get(once.id);
  if (once && known) return answerOf(known, once);
  const answer = reply(book.carryOut(command));
  if (once) {
    const own = { ...once, reply: answer };
    kept.set(once.id, own);
    fresh.push(own);
  }
  return { kind: 'first', reply: answer };
}
