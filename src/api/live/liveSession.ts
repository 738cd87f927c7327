import type { IconBatch } from '../../domain/icons/batch.ts';
import { completedEvent, failedEvent, progressEvent } from '../../domain/icons/batchEvents.ts';
import type { BatchEventContent, BatchProgress } from '../../domain/icons/events.ts';
import { isOutage } from '../../runtime/outage.ts';
import type { BatchFeed, BatchWatch } from './batchFeed.ts';

/** Whose connection it is. */
export interface LiveCaller {
  readonly owner: string;
  /** The operator may join every batch. */
  readonly sees_all: boolean;
}

export interface LiveSessionOptions {
  readonly feed: BatchFeed;
  readonly findBatch: (batchId: string) => Promise<IconBatch | undefined>;
  readonly listActive: (owner: string) => Promise<readonly IconBatch[]>;
  /** @returns whether the connection takes more now; else the session is told by `resume` */
  readonly send: (event: BatchEventContent, at: number) => boolean;
  /** Something failed that nobody waits for, and that is no outage. */
  readonly onError: (error: unknown) => void;
}

/** `refused`: no such batch, or it is somebody else's, which is answered alike. */
export type Joining = 'joined' | 'refused' | 'too-many' | 'unavailable';

interface Followed {
  /** Nothing until the feed has admitted it. */
  watch: BatchWatch | undefined;
  /** The last one that was sent, for who joins what is followed already. */
  progress: BatchProgress | undefined;
  hasEnded: boolean;
}

const MOST_FOLLOWED = 100;
const ACTIVE_AT_START = 50;

/**
 * What one connection sees: the batches of its owner as soon as something becomes of them, and those it has joined. Of a
 * batch that was there before, it gets the current state first, then every event after it.
 */
export class LiveSession {
  readonly #options: LiveSessionOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #left = new Set<string>();
  readonly #began = Date.now();
  #caller: LiveCaller | undefined;
  #stopOwner: (() => void) | undefined;
  #closed = false;

  constructor(options: LiveSessionOptions) {
    this.#options = options;
  }

  /**
   * From now on the connection is that caller's, and sees what becomes of their batches.
   *
   * @throws ServiceUnavailableError when the process shows as much as it can
   */
  async identify(caller: LiveCaller): Promise<void> {
    if (this.#closed) return;
    this.#caller = caller;
    this.#stopOwner?.();
    this.#stopOwner = this.#options.feed.watchOwner(caller.owner, (batchId) => void this.#followOwn(batchId));
    const active = await this.#options.listActive(caller.owner);
    for (const batch of active.slice(0, ACTIVE_AT_START)) this.#followUnlessKnown(batch);
  }

  async join(batchId: string): Promise<Joining> {
    this.#left.delete(batchId);
    const known = this.#followed.get(batchId);
    if (known) {
      if (known.progress) {
        this.#options.send({ type: 'batch_progress', data: known.progress }, Date.now());
      }
      return 'joined';
    }
    try {
      const batch = await this.#options.findBatch(batchId);
      if (!batch || !this.#mayJoin(batch)) return 'refused';
      return this.#followUnlessKnown(batch) ? 'joined' : 'too-many';
    } catch (error) {
      if (isOutage(error)) return 'unavailable';
      throw error;
    }
  }

  leave(batchId: string): void {
    this.#followed.get(batchId)?.watch?.stop();
    this.#followed.delete(batchId);
    this.#left.add(batchId);
    // Only of use while the batch runs; the oldest have ended.
    for (const oldest of this.#left) {
      if (this.#left.size <= MOST_FOLLOWED) break;
      this.#left.delete(oldest);
    }
  }

  /** The connection takes more. */
  resume(): void {
    for (const { watch } of this.#followed.values()) watch?.resume();
  }

  close(): void {
    this.#closed = true;
    this.#stopOwner?.();
    for (const { watch } of this.#followed.values()) watch?.stop();
    this.#followed.clear();
  }

  #mayJoin({ owner }: IconBatch): boolean {
    return this.#caller !== undefined && (this.#caller.sees_all || this.#caller.owner === owner);
  }

  /** What cannot be looked up now is told again with the next signal, or the next look at all batches. */
  async #followOwn(batchId: string): Promise<void> {
    if (this.#closed || this.#followed.has(batchId) || this.#left.has(batchId)) return;
    try {
      const batch = await this.#options.findBatch(batchId);
      if (batch && !this.#left.has(batchId)) this.#followUnlessKnown(batch);
    } catch (error) {
      if (!isOutage(error)) this.#options.onError(error);
    }
  }

  /** @returns false when the connection follows too many already */
  #followUnlessKnown(batch: IconBatch): boolean {
    if (this.#closed || this.#followed.has(batch.batch_id)) return true;
    if (!this.#makeRoom()) return false;
    const followed: Followed = { watch: undefined, progress: undefined, hasEnded: false };
    // Its watcher was there before it, and misses nothing though the first signal may come late.
    const fromStart = batch.round === 1 && batch.created_at >= this.#began;
    followed.watch = this.#options.feed.watch({
      batch_id: batch.batch_id,
      after_seq: fromStart ? 0 : batch.event_seq,
      take: (event) => this.#send(followed, event, event.at),
    });
    this.#followed.set(batch.batch_id, followed);
    // The feed gives nothing before this turn is over, so the state comes first.
    if (!fromStart) for (const event of stateOf(batch)) this.#send(followed, event, Date.now());
    return true;
  }

  #send(followed: Followed, event: BatchEventContent, at: number): boolean {
    if (event.type === 'batch_progress') followed.progress = event.data;
    followed.hasEnded = endsBatch(event) || (followed.hasEnded && event.type === 'job_output');
    return this.#options.send(event, at);
  }

  /** What has ended makes room for what comes; it is the oldest first. */
  #makeRoom(): boolean {
    if (this.#followed.size < MOST_FOLLOWED) return true;
    for (const [batchId, { watch, hasEnded }] of this.#followed) {
      if (!hasEnded) continue;
      watch?.stop();
      this.#followed.delete(batchId);
      return true;
    }
    return false;
  }
}

/** What a late joiner is told of a batch: how it stands, and how it ended. */
export function stateOf(batch: IconBatch): readonly BatchEventContent[] {
  const progress = progressEvent(batch);
  if (batch.status === 'completed') return [progress, completedEvent(batch)];
  if (batch.status === 'failed') return [progress, failedEvent(batch, batch.error ?? 'for no stated reason')];
  return [progress];
}

/** Whether no progress comes after it, unless failed images are retried. */
export function endsBatch(event: BatchEventContent): boolean {
  switch (event.type) {
    case 'job_completed':
    case 'job_failed':
      return true;
    case 'batch_progress':
      return event.data.status === 'cancelled';
    case 'job_output':
      return false;
  }
}
