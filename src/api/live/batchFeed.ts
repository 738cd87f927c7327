import type { Logger } from 'pino';
import type { BatchEvent } from '../../domain/icons/events.ts';
import { ServiceUnavailableError } from '../../runtime/outage.ts';

/** Gets the events of one batch. */
export interface BatchWatcher {
  readonly batch_id: string;
  /** Who watches, not whose the batch is. */
  readonly watched_by: string;
  /** Events with a greater number are given, in order, each once. */
  readonly after_seq: number;
  /** @returns whether it takes more now; else it says so by `resume` */
  readonly take: (event: BatchEvent) => boolean;
}

export interface BatchWatch {
  resume(): void;
  stop(): void;
}

/** Hears of each batch of an owner of which something became, perhaps more than once. */
export type OwnerListener = (batchId: string) => void;

export interface BatchFeedOptions {
  readonly readEvents: (batchId: string, afterSeq: number, limit: number) => Promise<readonly BatchEvent[]>;
  /** The number of the last event of each of these batches. */
  readonly readLastSeqs: (batchIds: readonly string[]) => Promise<ReadonlyMap<string, number>>;
  /** Batches of these owners that have not ended. */
  readonly readActive: (
    owners: readonly string[],
  ) => Promise<readonly { readonly batch_id: string; readonly owner: string }[]>;
  /** Watchers of one process, of batches and of owners together. */
  readonly mostWatchers: number;
  /** The same of one caller, who may have many connections. */
  readonly mostWatchersOfCaller: number;
  /** A signal may be lost: so often everything is looked at without one. */
  readonly recheckMilliseconds: number;
  readonly logger: Logger;
}

interface Watch {
  readonly watcher: BatchWatcher;
  seq: number;
  isFull: boolean;
  isStopped: boolean;
}

const EVENTS_OF_ONE_READ = 200;
const LARGEST_LOOK = 500;
const RETRY_AFTER_SECONDS = 10;

/**
 * Gives the events of batches to whoever watches in this process. Only numbers travel between processes; the events are
 * read from the store, in their order, from where each watcher stands: so all watchers see the same events in the same
 * order, whichever process made them, and none is lost with a signal. A watcher that takes nothing costs no memory: it
 * is given nothing until it resumes.
 */
export class BatchFeed {
  readonly #options: BatchFeedOptions;
  readonly #watches = new Map<string, Set<Watch>>();
  readonly #owners = new Map<string, Set<OwnerListener>>();
  readonly #stale = new Set<string>();
  readonly #closing = new Set<() => void>();
  readonly #timer: NodeJS.Timeout;
  readonly #countByCaller = new Map<string, number>();
  #count = 0;
  #reading = false;
  #looking = false;
  #closed = false;

  constructor(options: BatchFeedOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.recheck(), options.recheckMilliseconds).unref();
  }

  /** @throws ServiceUnavailableError when there are too many watchers, or the process ends */
  watch(watcher: BatchWatcher): BatchWatch {
    this.#admit(watcher.watched_by);
    const watch: Watch = { watcher, seq: watcher.after_seq, isFull: false, isStopped: false };
    const release = this.#add(this.#watches, watcher.batch_id, watch, watcher.watched_by);
    this.#changed(watcher.batch_id);
    return {
      resume: () => {
        if (!watch.isFull) return;
        watch.isFull = false;
        this.#changed(watcher.batch_id);
      },
      stop: () => {
        watch.isStopped = true;
        release();
      },
    };
  }

  /**
   * @returns how to stop
   * @throws ServiceUnavailableError as `watch`
   */
  watchOwner(owner: string, listener: OwnerListener): () => void {
    this.#admit(owner);
    return this.#add(this.#owners, owner, listener, owner);
  }

  /** A batch is said to have events up to a number. */
  signal({ batch_id, owner }: { readonly batch_id: string; readonly owner: string }): void {
    for (const listener of this.#owners.get(owner) ?? []) listener(batch_id);
    this.#changed(batch_id);
  }

  /** Signals may have been missed. */
  recheck(): void {
    if (this.#looking || this.#closed) return;
    this.#looking = true;
    this.#lookAtAll()
      .catch((error: unknown) => this.#options.logger.warn({ err: error }, 'Batches could not be looked at'))
      .finally(() => {
        this.#looking = false;
      });
  }

  /**
   * Tells when nothing will be given any more, because the process ends.
   *
   * @returns how not to be told
   */
  onClose(listener: () => void): () => void {
    this.#closing.add(listener);
    return () => this.#closing.delete(listener);
  }

  /** Nothing is given any more, and nobody is admitted. */
  close(): void {
    this.#closed = true;
    for (const listener of [...this.#closing]) listener();
    clearInterval(this.#timer);
    this.#stale.clear();
  }

  #admit(caller: string): void {
    const { mostWatchers, mostWatchersOfCaller } = this.#options;
    const ofCaller = this.#countByCaller.get(caller) ?? 0;
    if (!this.#closed && this.#count < mostWatchers && ofCaller < mostWatchersOfCaller) return;
    throw new ServiceUnavailableError(
      'This server shows as many batches as it can; try again in a moment',
      RETRY_AFTER_SECONDS,
    );
  }

  #add<Entry>(all: Map<string, Set<Entry>>, key: string, entry: Entry, caller: string): () => void {
    const entries = all.get(key) ?? new Set();
    all.set(key, entries.add(entry));
    this.#countMore(caller, 1);
    return () => {
      if (!entries.delete(entry)) return;
      this.#countMore(caller, -1);
      if (entries.size === 0) all.delete(key);
    };
  }

  #countMore(caller: string, change: 1 | -1): void {
    this.#count += change;
    const ofCaller = (this.#countByCaller.get(caller) ?? 0) + change;
    if (ofCaller === 0) this.#countByCaller.delete(caller);
    else this.#countByCaller.set(caller, ofCaller);
  }

  #changed(batchId: string): void {
    if (this.#closed || !this.#watches.has(batchId)) return;
    this.#stale.add(batchId);
    if (!this.#reading) void this.#readStale();
  }

  /** One read at a time; what changes meanwhile is read next. */
  async #readStale(): Promise<void> {
    this.#reading = true;
    for (const batchId of this.#stale) {
      this.#stale.delete(batchId);
      try {
        await this.#advance(batchId);
      } catch (error) {
        // It is read again with everything else in a while.
        this.#options.logger.warn({ err: error, batch_id: batchId }, 'Events of a batch could not be read');
      }
    }
    this.#reading = false;
  }

  async #advance(batchId: string): Promise<void> {
    const waiting = [...(this.#watches.get(batchId) ?? [])].filter(({ isFull }) => !isFull);
    if (waiting.length === 0) return;
    const from = Math.min(...waiting.map(({ seq }) => seq));
    const events = await this.#options.readEvents(batchId, from, EVENTS_OF_ONE_READ);
    for (const watch of waiting) give(watch, events);
    if (events.length === EVENTS_OF_ONE_READ) this.#changed(batchId);
  }

  async #lookAtAll(): Promise<void> {
    for (const ids of pagesOf([...this.#watches.keys()])) {
      const lastSeqs = await this.#options.readLastSeqs(ids);
      for (const id of ids) {
        const last = lastSeqs.get(id) ?? 0;
        if ([...(this.#watches.get(id) ?? [])].some(({ seq }) => seq < last)) this.#changed(id);
      }
    }
    for (const owners of pagesOf([...this.#owners.keys()])) {
      for (const { batch_id, owner } of await this.#options.readActive(owners)) {
        for (const listener of this.#owners.get(owner) ?? []) listener(batch_id);
      }
    }
  }
}

function give(watch: Watch, events: readonly BatchEvent[]): void {
  for (const event of events) {
    if (watch.isStopped || watch.isFull) return;
    if (event.seq <= watch.seq) continue;
    watch.seq = event.seq;
    watch.isFull = !watch.watcher.take(event);
  }
}

function* pagesOf(keys: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < keys.length; from += LARGEST_LOOK) yield keys.slice(from, from + LARGEST_LOOK);
}
