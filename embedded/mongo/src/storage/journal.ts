import { Worker } from 'node:worker_threads';
import { BatchWriter, type Change, type ChangeKind, readBatch } from './batch.ts';
import { CommitFailed, DataFileDamaged, DataFileInUse } from './errors.ts';
import type { StorageReply, StorageRequest } from './protocol.ts';

/** Bytes that may wait for the disk; beyond it, commands wait before they write. */
const maximumWaitingBytes = 64 * 1024 * 1024;

/**
 * Group commit: changes gather while a commit runs, and the next commit takes them all. When none runs, the
 * commit starts at the end of the current turn of the event loop; no timer is involved.
 */
export class Journal {
  /** Settles when the server can no longer write; memory is then ahead of the disk and it must stop. */
  readonly failed: Promise<CommitFailed>;
  private readonly file: string;
  private readonly worker: Worker;
  private readonly writer = new BatchWriter();
  private gathering: Group | null = null;
  private committing: Group | null = null;
  private failure: CommitFailed | null = null;
  private readonly reportFailure: (failure: CommitFailed) => void;
  private replies: ((reply: StorageReply) => void)[] = [];

  private constructor(file: string) {
    this.file = file;
    const { promise, resolve } = Promise.withResolvers<CommitFailed>();
    this.failed = promise;
    this.reportFailure = resolve;
    this.worker = new Worker(new URL('./storageThread.ts', import.meta.url));
    this.worker.on('message', (reply: StorageReply) => this.replies.shift()?.(reply));
    this.worker.on('error', (error: Error) => {
      for (const settle of this.replies.splice(0))
        settle({ type: 'failed', reason: 'other', message: error.message });
    });
  }

  /**
   * Opens the data file and hands every stored row to `load`.
   * @throws DataFileInUse, DataFileDamaged
   */
  static async open(file: string, load: (row: Change) => void): Promise<Journal> {
    const journal = new Journal(file);
    try {
      let reply = await journal.ask({ type: 'open', file });
      for (;;) {
        if (reply.type === 'failed') throw openingError(file, reply);
        reply = await journal.ask({ type: 'nextRows' });
        if (reply.type === 'done') return journal;
        if (reply.type === 'rows') {
          for (const row of readBatch(Buffer.from(reply.batch, 0, reply.length))) load(row);
        }
      }
    } catch (error) {
      await journal.worker.terminate();
      throw error;
    }
  }

  add(kind: ChangeKind, collection: number, record: number, bytes: Uint8Array | null): void {
    this.writer.add(kind, collection, record, bytes);
    if (this.gathering !== null) return;
    this.gathering = newGroup();
    if (this.committing === null) setImmediate(() => this.commit());
  }

  /** Resolves when everything added so far is on disk. @throws CommitFailed */
  async flushed(): Promise<void> {
    if (this.failure !== null) throw this.failure;
    const group = this.gathering ?? this.committing;
    if (group !== null) await group.promise;
  }

  /** Resolves when there is room for more changes. @throws CommitFailed */
  async room(): Promise<void> {
    while (this.writer.bytes > maximumWaitingBytes) await this.flushed();
    if (this.failure !== null) throw this.failure;
  }

  async close(): Promise<void> {
    if (this.failure === null) {
      await this.flushed();
      await this.ask({ type: 'close' });
    }
    await this.worker.terminate();
  }

  private commit(): void {
    const group = this.gathering;
    if (group === null || this.failure !== null) return;
    this.gathering = null;
    this.committing = group;
    const packed = this.writer.take();
    const { buffer } = packed;
    if (!(buffer instanceof ArrayBuffer)) throw new TypeError('a batch is not transferable');
    void this.ask({ type: 'commit', batch: buffer, length: packed.length }, [buffer]).then((reply) => {
      this.committing = null;
      if (reply.type === 'failed') return this.fail(group, reply.message);
      group.resolve();
      this.commit();
    });
  }

  private fail(group: Group, reason: string): void {
    this.failure = new CommitFailed(this.file, reason);
    group.reject(this.failure);
    this.gathering?.reject(this.failure);
    this.reportFailure(this.failure);
  }

  private ask(request: StorageRequest, transfer: ArrayBuffer[] = []): Promise<StorageReply> {
    return new Promise((resolve) => {
      this.replies.push(resolve);
      this.worker.postMessage(request, transfer);
    });
  }
}

interface Group {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
}

function newGroup(): Group {
  const group = Promise.withResolvers<void>();
  // a failed commit is reported through Journal.failed also when no command waits for it
  group.promise.catch(() => undefined);
  return group;
}

function openingError(file: string, reply: Extract<StorageReply, { type: 'failed' }>): Error {
  const error =
    reply.reason === 'inUse'
      ? new DataFileInUse(file)
      : reply.reason === 'damaged'
        ? new DataFileDamaged(file, '')
        : new Error();
  error.message = reply.message;
  return error;
}
