import type { RawDocument, SerializableDocument } from '../bson/serialize.ts';
import { MongoServerError } from '../errors.ts';

export interface Batch {
  documents: RawDocument[];
  postBatchResumeToken?: SerializableDocument;
}

/** Where a cursor's documents come from. */
export interface CursorSource {
  /** Up to `count` documents and about `maximumBytes`; waits at most `waitMilliseconds` for the first if it tails. */
  next(count: number, waitMilliseconds: number): Batch | Promise<Batch>;
  readonly isExhausted: boolean;
  /** Bytes of documents that only this cursor keeps alive, at most. */
  readonly heldBytes: number;
  close(): void;
}

interface OpenCursor {
  readonly source: CursorSource;
  readonly namespace: string;
  readonly sessionKey: string | null;
  lastUsedAt: number;
  isBusy: boolean;
}

export interface CursorReply {
  [field: string]: SerializableDocument[string];
  id: bigint;
  ns: string;
}

export const defaultFirstBatch = 101;
const idleMilliseconds = 10 * 60_000;
const maximumHeldBytes = 256 * 1024 * 1024;
const maximumCursors = 10_000;

/** All open cursors; bounded in number, memory and idle time. */
export class Cursors {
  private readonly open = new Map<bigint, OpenCursor>();
  private lastId = BigInt(Date.now()) << 20n;

  /** Replies with the first batch, and keeps the cursor open when there is more. */
  async start(
    source: CursorSource,
    namespace: string,
    batchSize: number,
    options: { singleBatch?: boolean; sessionKey: string | null },
  ): Promise<CursorReply> {
    const { documents, ...rest } = await source.next(batchSize, 0);
    if (source.isExhausted || options.singleBatch === true) {
      source.close();
      return { firstBatch: documents, ...rest, id: 0n, ns: namespace };
    }
    const id = ++this.lastId;
    this.open.set(id, {
      source,
      namespace,
      sessionKey: options.sessionKey,
      lastUsedAt: Date.now(),
      isBusy: false,
    });
    this.enforceBounds();
    return { firstBatch: documents, ...rest, id, ns: namespace };
  }

  /** @throws MongoServerError CursorNotFound, Unauthorized when the cursor is of another collection */
  async getMore(
    id: bigint,
    namespace: string,
    batchSize: number,
    waitMilliseconds: number,
  ): Promise<CursorReply> {
    const cursor = this.open.get(id);
    if (cursor === undefined) throw cursorNotFound(id);
    if (cursor.namespace !== namespace)
      throw new MongoServerError(
        'Unauthorized',
        `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`,
      );
    cursor.isBusy = true;
    try {
      const { documents, ...rest } = await cursor.source.next(batchSize, waitMilliseconds);
      if (!this.open.has(id)) throw cursorNotFound(id);
      cursor.lastUsedAt = Date.now();
      if (cursor.source.isExhausted) this.kill(id);
      return { nextBatch: documents, ...rest, id: cursor.source.isExhausted ? 0n : id, ns: cursor.namespace };
    } finally {
      cursor.isBusy = false;
    }
  }

  kill(id: bigint): boolean {
    const cursor = this.open.get(id);
    if (cursor === undefined) return false;
    this.open.delete(id);
    cursor.source.close();
    return true;
  }

  killOfSession(key: string): void {
    for (const [id, { sessionKey }] of this.open) if (sessionKey === key) this.kill(id);
  }

  killAll(): void {
    for (const id of [...this.open.keys()]) this.kill(id);
  }

  sweep(now: number): void {
    for (const [id, { lastUsedAt, isBusy }] of this.open) {
      if (!isBusy && now - lastUsedAt > idleMilliseconds) this.kill(id);
    }
  }

  /** Beyond the bounds the cursors that were not used for the longest time end; their clients get CursorNotFound. */
  private enforceBounds(): void {
    let held = 0;
    for (const { source } of this.open.values()) held += source.heldBytes;
    const byAge = [...this.open].sort(([, left], [, right]) => left.lastUsedAt - right.lastUsedAt);
    for (const [id, { source, isBusy }] of byAge) {
      if (held <= maximumHeldBytes && this.open.size <= maximumCursors) return;
      if (isBusy || id === this.lastId) continue;
      held -= source.heldBytes;
      this.kill(id);
    }
  }
}

function cursorNotFound(id: bigint): MongoServerError {
  return new MongoServerError('CursorNotFound', `cursor id ${id} not found`);
}
