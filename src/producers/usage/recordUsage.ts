import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import { eventKey } from '../../domain/usage/eventKey.ts';
import { saysTheSame, type UsageEvent, type UsageReport } from '../../domain/usage/report.ts';
import { findRecordsByEventKey } from '../../models/usage.ts';
import type { UsagePending } from '../../models/usagePending.ts';
import { Coalescer } from '../../runtime/coalescer.ts';
import { ServiceUnavailableError } from '../../runtime/outage.ts';
import { enqueueEvents } from './enqueueEvents.ts';
import { RecordIds } from './recordIds.ts';

/** A checked report of a known user, on its way in. */
export interface Submission extends UsageReport {
  readonly user_id: number;
  readonly received_at: number;
  readonly voids?: number | undefined;
}

/** What became of a submission. `event` is the one that counts: a duplicate and a conflict get the first one back. */
export interface Recorded {
  readonly kind: 'accepted' | 'duplicate' | 'conflict';
  readonly event: UsageEvent;
}

/** A duplicate whose first is not stored yet is queued once more, see `#claim`. */
interface Claimed extends Recorded {
  readonly toQueue: boolean;
}

export interface UsageRecorderDependencies {
  readonly queue: Queue;
  readonly pending: UsagePending;
  readonly connection: Connection;
  /** Runs of records in Redis beyond which nothing more is taken. */
  readonly backlogLimit: number;
}

/** The request behind a submission. */
export interface RecordingRequest {
  readonly requestId: string;
  /**
   * `performance.now()` beyond which nothing is queued any more: the sender is being told to come back by then, and
   * would send a report that was queued after all a second time.
   */
  readonly queueBefore: number;
}

/** What waits to be written to Redis together with others. */
interface ToWrite {
  readonly event: UsageEvent;
  readonly request: RecordingRequest;
}

/** While Redis waits for its disk with one write, the next ones are already there, and are made safe together. */
const WRITE_LIMITS = {
  largestWrite: 1_000,
  mostWaiting: 10_000,
  writesAtOnce: 8,
} as const;
const CLAIM_LIMITS = { ...WRITE_LIMITS, writesAtOnce: 2 } as const;
const BACKLOG_REFRESH_MILLISECONDS = 250;

/**
 * Takes reports in. A report is accepted once its job is safely in Redis; concurrent reports share jobs and round
 * trips. A report with an id of its sender's is accepted once, ever: its key is claimed in Redis before it is queued,
 * and the claim is given up only after the row, which holds the same key, is in MongoDB.
 */
export class UsageRecorder {
  readonly #dependencies: UsageRecorderDependencies;
  readonly #recordIds: RecordIds;
  readonly #writes: Coalescer<ToWrite, 'queued' | 'late'>;
  readonly #claims: Coalescer<UsageEvent, Claimed>;
  #backlog = 0;
  #backlogReadAt = 0;

  constructor(dependencies: UsageRecorderDependencies) {
    this.#dependencies = dependencies;
    this.#recordIds = new RecordIds(dependencies.connection);
    this.#writes = new Coalescer((shared) => this.#writeShared(shared), WRITE_LIMITS);
    this.#claims = new Coalescer((events) => this.#claim(events), CLAIM_LIMITS);
  }

  /**
   * Records one report.
   *
   * @throws ServiceUnavailableError when Redis or MongoDB is away, or too much waits already
   * @throws CoalescerFullError when this process cannot keep up
   */
  async record(submission: Submission, request: RecordingRequest): Promise<Recorded> {
    const looking = this.#refuseWhenUnable();
    if (looking) await looking;
    const event = toEvent(submission, await this.#recordIds.takeOne());
    const recorded = eventKey(event) === undefined ? accepted(event) : await this.#claims.add(event);
    if (recorded.toQueue) {
      const written = await this.#writes.add({ event: recorded.event, request });
      if (written === 'late') throw tooLate();
    }
    return recorded;
  }

  /**
   * Records many reports of one request, all that are acceptable or, when it throws, possibly none.
   *
   * @returns an outcome for each submission, in order
   * @throws ServiceUnavailableError as `record` does
   */
  async recordAll(submissions: readonly Submission[], request: RecordingRequest): Promise<Recorded[]> {
    if (submissions.length === 0) return [];
    await this.#refuseWhenUnable();
    const recorded = await this.#claimAll(await this.#withIds(submissions));
    const toQueue = eachOnce(recorded.filter((one) => one.toQueue).map((one) => one.event));
    if (toQueue.length > 0) {
      if (isLate(request)) throw tooLate();
      await this.#enqueue(toQueue, [request.requestId]);
    }
    return recorded;
  }

  /**
   * Events in the order of their submissions. The ids go up user by user: jobs are cut by id, and a job of few users
   * touches few pending groups and few buckets.
   */
  async #withIds(submissions: readonly Submission[]): Promise<UsageEvent[]> {
    const ids = await this.#recordIds.take(submissions.length);
    const events = new Array<UsageEvent>(submissions.length);
    const byUser = [...submissions.entries()].sort(([, left], [, right]) => left.user_id - right.user_id);
    byUser.forEach(([index, submission], place) => {
      events[index] = toEvent(submission, ids[place] ?? 0);
    });
    return events;
  }

  /** An outcome for each event, in order. Those without a key are new. */
  async #claimAll(events: readonly UsageEvent[]): Promise<Claimed[]> {
    const keyed = events.filter((event) => eventKey(event) !== undefined);
    if (keyed.length === 0) return events.map(accepted);
    const claimed = await this.#claim(keyed);
    const outcomes = new Map(keyed.map((event, index) => [event, claimed[index]]));
    return events.map((event) => outcomes.get(event) ?? accepted(event));
  }

  /**
   * Finds out who was first with each event key: the stored row, else the holder of the claim. A holder alone proves
   * nothing, it may be a repeat that is only about to find the stored row itself. A duplicate whose first is not stored
   * yet is queued once more under the first one's record id, because the process that claimed it may have died before it
   * queued it.
   */
  async #claim(events: readonly UsageEvent[]): Promise<Claimed[]> {
    const { connection, pending } = this.#dependencies;
    const holders = await pending.claim(events);
    const keys = events.flatMap((event) => eventKey(event) ?? []);
    const storedByKey = await findRecordsByEventKey(connection, keys);
    const claims = events.map((event, index) => ({
      event,
      holder: holders[index] ?? event,
      stored: storedByKey.get(eventKey(event) ?? ''),
    }));
    const ownOfStored = claims.filter(
      ({ event, holder, stored }) => stored && holder.record_id === event.record_id,
    );
    await pending.release(ownOfStored.map(({ event }) => event));
    return claims.map(({ event, holder, stored }): Claimed => {
      const first = stored ?? holder;
      if (first.record_id === event.record_id) return accepted(event);
      if (!saysTheSame(first, event)) return { kind: 'conflict', event: first, toQueue: false };
      return { kind: 'duplicate', event: first, toQueue: stored === undefined };
    });
  }

  /** Leaves out whoever waited so long that the sender is being told to come back. */
  async #writeShared(shared: readonly ToWrite[]): Promise<('queued' | 'late')[]> {
    const inTime = shared.filter(({ request }) => !isLate(request));
    if (inTime.length > 0) {
      const requestIds = new Set(inTime.map(({ request }) => request.requestId));
      await this.#enqueue(
        inTime.map(({ event }) => event),
        [...requestIds],
      );
    }
    const queued = new Set(inTime);
    return shared.map((item) => (queued.has(item) ? 'queued' : 'late'));
  }

  async #enqueue(events: readonly UsageEvent[], requestIds: readonly string[]): Promise<void> {
    const { queue, pending } = this.#dependencies;
    this.#backlog = await enqueueEvents(queue, pending, events, requestIds);
    this.#backlogReadAt = Date.now();
  }

  /**
   * Every write tells how much waits; once that is too much there are no writes, and it is asked for now and then. Only then
   * is there something to wait for.
   */
  #refuseWhenUnable(): void | Promise<void> {
    const { backlogLimit, pending } = this.#dependencies;
    pending.requireConnection();
    if (this.#backlog >= backlogLimit) return this.#refuseWhileFull();
  }

  async #refuseWhileFull(): Promise<void> {
    const { backlogLimit, pending } = this.#dependencies;
    if (Date.now() - this.#backlogReadAt > BACKLOG_REFRESH_MILLISECONDS) {
      this.#backlogReadAt = Date.now();
      this.#backlog = await pending.backlog();
    }
    if (this.#backlog >= backlogLimit) {
      throw new ServiceUnavailableError(
        'Too many reports are waiting to be stored; try again in a moment',
        5,
      );
    }
  }
}

/** Field by field: of thousands of events a second, copies by spread are a tenth of the work. */
function toEvent(submission: Submission, recordId: number): UsageEvent {
  return {
    record_id: recordId,
    user_id: submission.user_id,
    received_at: submission.received_at,
    at: submission.at,
    timestamp_sent: submission.timestamp_sent,
    image_count: submission.image_count,
    image_cost: submission.image_cost,
    video_count: submission.video_count,
    video_cost: submission.video_cost,
    total_cost: submission.total_cost,
    event_id: submission.event_id,
    voids: submission.voids,
  };
}

function accepted(event: UsageEvent): Claimed {
  return { kind: 'accepted', event, toQueue: true };
}

/** In the order of their ids. Repeats within a batch all name the first one's event. */
function eachOnce(events: readonly UsageEvent[]): UsageEvent[] {
  const byRecordId = new Map(events.map((event) => [event.record_id, event]));
  return [...byRecordId.values()].sort((left, right) => left.record_id - right.record_id);
}

function isLate(request: RecordingRequest): boolean {
  return performance.now() > request.queueBefore;
}

function tooLate(): ServiceUnavailableError {
  return new ServiceUnavailableError('The report could not be taken in time; try again in a moment', 2);
}
