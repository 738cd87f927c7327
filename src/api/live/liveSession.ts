import { type IconBatch, isActive } from '../../domain/icons/batch.ts';
import { completedEvent, failedEvent, progressEvent } from '../../domain/icons/batchEvents.ts';
import type { BatchEvent, BatchEventContent } from '../../domain/icons/events.ts';
import { mayReach, type Reach } from '../../domain/icons/reach.ts';
import { isOutage } from '../../runtime/outage.ts';
import type { BatchFeed, BatchWatch } from './batchFeed.ts';

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
  readonly created_at: number;
  /** Nothing while nothing is to come. */
  watch: BatchWatch | undefined;
  /** Number of the last event that was sent, or is part of the state that was. */
  seq: number;
  /** The state for who has joined. It waits for the events that are part of it, so that nothing goes back. */
  due: { readonly seq: number; readonly state: readonly BatchEventContent[] } | undefined;
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
  /** What was created after it was never followed before, and is told from its first event. */
  #toldUntil = Date.now() - 1;
  #caller: Reach | undefined;
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
  async identify(caller: Reach): Promise<void> {
    if (this.#closed) return;
    this.#caller = caller;
    this.#stopOwner?.();
    this.#stopOwner = this.#options.feed.watchOwner(caller.owner, (batchId) => void this.#followOwn(batchId));
    const active = await this.#options.listActive(caller.owner);
    for (const batch of active.slice(0, ACTIVE_AT_START)) {
      if (!this.#followed.has(batch.batch_id) && this.#mayJoin(batch)) this.#follow(batch, 'own');
    }
  }

  /** From now on the connection is nobody's, and sees nothing. */
  forget(): void {
    this.#caller = undefined;
    this.#stopOwner?.();
    this.#stopOwner = undefined;
    for (const { watch } of this.#followed.values()) watch?.stop();
    this.#followed.clear();
  }

  /** Who joins, again too, is told the current state. */
  async join(batchId: string): Promise<Joining> {
    // Nobody makes the store work without a credential.
    if (!this.#caller) return 'refused';
    const known = this.#followed.get(batchId);
    // So the state that is read is not older than what was sent.
    known?.watch?.stop();
    try {
      const batch = await this.#options.findBatch(batchId);
      if (!batch || !this.#mayJoin(batch)) {
        this.#unfollow(batchId);
        return 'refused';
      }
      this.#left.delete(batchId);
      return this.#follow(batch, 'joined') ? 'joined' : 'too-many';
    } catch (error) {
      // It goes on with the next signal, or the next look at all batches.
      if (known) known.watch = undefined;
      if (isOutage(error)) return 'unavailable';
      throw error;
    }
  }

  leave(batchId: string): void {
    this.#unfollow(batchId);
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
    this.forget();
  }

  #mayJoin({ owner }: IconBatch): boolean {
    return this.#caller !== undefined && mayReach(this.#caller, { owner });
  }

  /** What cannot be looked up now is told again with the next signal, or the next look at all batches. */
  async #followOwn(batchId: string): Promise<void> {
    if (this.#followed.get(batchId)?.watch || this.#left.has(batchId)) return;
    try {
      const batch = await this.#options.findBatch(batchId);
      if (!batch || !this.#mayJoin(batch) || this.#left.has(batchId)) return;
      const known = this.#followed.get(batchId);
      if (!known) this.#follow(batch, 'own');
      else if (!known.watch && known.seq < batch.event_seq) this.#watch(batchId, known);
    } catch (error) {
      if (!isOutage(error)) this.#options.onError(error);
    }
  }

  /**
   * @returns false when the connection follows too many already
   * @throws ServiceUnavailableError when the process shows as much as it can
   */
  #follow(batch: IconBatch, why: 'own' | 'joined'): boolean {
    if (this.#closed) return true;
    const known = this.#followed.get(batch.batch_id);
    if (!known && !this.#makeRoom()) return false;
    const followed = known ?? this.#newFollowed(batch, why);
    if (why === 'joined') followed.due = dueOf(batch);
    // The feed gives nothing before this turn is over, so the state comes first.
    if (isActive(batch) || followed.seq < batch.event_seq) this.#watch(batch.batch_id, followed);
    else followed.hasEnded = true;
    this.#followed.set(batch.batch_id, followed);
    this.#sendDue(followed);
    return true;
  }

  #newFollowed(batch: IconBatch, why: 'own' | 'joined'): Followed {
    const { created_at, round, event_seq } = batch;
    // Its watcher was there before it, and misses nothing though the first signal may come late.
    const isNew = round === 1 && created_at > this.#toldUntil && (why === 'own' || isActive(batch));
    const told = isNew ? { seq: 0, due: undefined } : { seq: event_seq, due: dueOf(batch) };
    return { ...told, created_at, watch: undefined, hasEnded: false };
  }

  #watch(batchId: string, followed: Followed): void {
    followed.watch?.stop();
    followed.watch = this.#options.feed.watch({
      batch_id: batchId,
      watched_by: this.#caller?.owner ?? '',
      after_seq: followed.seq,
      take: (event) => this.#take(followed, event),
    });
  }

  #take(followed: Followed, event: BatchEvent): boolean {
    followed.seq = event.seq;
    followed.hasEnded = endsBatch(event) || (followed.hasEnded && event.type === 'job_output');
    const takesMore = this.#options.send(event, event.at);
    if (event.type === 'job_completed' || event.type === 'job_failed') this.#rest(event.batch_id, followed);
    return this.#sendDue(followed) && takesMore;
  }

  /** What has ended needs no watch, and takes up none: when its failed images are retried, its owner hears of it. */
  #rest(batchId: string, followed: Followed): void {
    followed.watch?.stop();
    followed.watch = undefined;
    // The retry may have been told already, while there still was a watch.
    void this.#followOwn(batchId);
  }

  /** @returns whether the connection takes more now */
  #sendDue(followed: Followed): boolean {
    if (!followed.due || followed.seq < followed.due.seq) return true;
    const { state } = followed.due;
    followed.due = undefined;
    return state.map((event) => this.#options.send(event, Date.now())).every(Boolean);
  }

  #unfollow(batchId: string): void {
    const followed = this.#followed.get(batchId);
    if (!followed) return;
    followed.watch?.stop();
    this.#followed.delete(batchId);
    this.#toldUntil = Math.max(this.#toldUntil, followed.created_at);
  }

  /** What has ended makes room for what comes; it is the oldest first. */
  #makeRoom(): boolean {
    if (this.#followed.size < MOST_FOLLOWED) return true;
    for (const [batchId, { hasEnded }] of this.#followed) {
      if (!hasEnded) continue;
      this.#unfollow(batchId);
      return true;
    }
    return false;
  }
}

function dueOf(batch: IconBatch): Followed['due'] {
  return { seq: batch.event_seq, state: stateOf(batch) };
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
