import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import { eventKey } from '../../domain/usage/eventKey.ts';
import type { UsageEvent } from '../../domain/usage/report.ts';
import { findRecordsByEventKey, groupsNotStored, storedRecordIds } from '../../models/usage.ts';
import type { UsagePending } from '../../models/usagePending.ts';
import { type ScannedRange, UsagePendingScan } from '../../models/usagePendingScan.ts';
import type { usageUpkeepQueue } from '../../queues/usage.ts';
import { existingJobs } from '../../runtime/existingJobs.ts';
import type { Handlers, Run } from '../handlers.ts';

export interface SweepPendingDependencies {
  readonly redis: Redis;
  /** The queue of the reports, not the one of the upkeep. */
  readonly queue: Queue;
  /** Of the usage queue's keys. */
  readonly prefix: string;
  readonly pending: UsagePending;
  readonly connection: Connection;
}

/** Younger groups are left alone: their reports may still be on their way. */
const GROUP_AGE_MILLISECONDS = 60_000;
/** A web process that died between a claim and its job has a repeat of the event queued by then. */
const CLAIM_AGE_MILLISECONDS = 24 * 3_600_000;
/** Of up to a hundred records each. */
const RANGES_AT_A_TIME = 20;

/**
 * Takes away what is known of reports in Redis although no job will ever settle it: a worker died between the commit and
 * the settling and its job is gone too, or somebody removed the job.
 *
 * The order makes it safe beside running workers. A job settles before it leaves the queue, and it stores before it
 * settles. So: an entry is read, its job is found to be gone, the entry is found to be still there, and only then is
 * MongoDB asked; a report that is not there by then will never come.
 */
export function createSweepPending(
  dependencies: SweepPendingDependencies,
): Handlers<typeof usageUpkeepQueue>['sweep-pending'] {
  const { redis, queue, pending, connection } = dependencies;
  const scan = new UsagePendingScan(redis, dependencies.prefix);

  return async (_payload, run) => {
    const ranges = await sweepRanges(run);
    const groups = await sweepGroups(run);
    const claims = await sweepClaims(run);
    return { kind: 'done', result: { ranges, groups, claims } };
  };

  async function sweepRanges(run: Run): Promise<number> {
    let swept = 0;
    for await (const page of scan.ranges()) {
      run.signal.throwIfAborted();
      const jobs = await existingJobs(
        redis,
        queue,
        page.map((range) => range.jobId),
      );
      const left = await scan.rangesLeft(page.filter((range) => !jobs.has(range.jobId)));
      for (let start = 0; start < left.length; start += RANGES_AT_A_TIME) {
        await forgetRanges(left.slice(start, start + RANGES_AT_A_TIME), run);
      }
      swept += left.length;
    }
    return swept;
  }

  async function forgetRanges(ranges: readonly ScannedRange[], run: Run): Promise<void> {
    const recordIds = ranges.flatMap(idsOf);
    const stored = await storedRecordIds(connection, recordIds);
    const missing = recordIds.filter((id) => !stored.has(id));
    const queued = await inLiveJob(missing);
    const lost = missing.filter((id) => !queued.has(id));
    if (lost.length > 0) {
      run.logger.error(
        { record_ids: lost },
        'Accepted reports are neither queued nor stored: their jobs were removed from the queue',
      );
    }
    await pending.forget({ ranges: ranges.map((range) => range.member), groups: [] });
  }

  async function sweepGroups(run: Run): Promise<number> {
    await pending.sortIn();
    let swept = 0;
    for await (const page of scan.groups()) {
      run.signal.throwIfAborted();
      const old = page.filter((group) => group.oldest_received_at < Date.now() - GROUP_AGE_MILLISECONDS);
      const queued = await inLiveJob(old.map((group) => group.representative));
      const left = await scan.groupsLeft(old.filter((group) => !queued.has(group.representative)));
      const lost = await groupsNotStored(connection, left);
      if (lost.length > 0) {
        run.logger.warn(
          { user_ids: [...new Set(lost.map((group) => group.user_id))] },
          'Totals no longer count reports that are neither queued nor stored',
        );
      }
      await pending.forget({ ranges: [], groups: left });
      swept += left.length;
    }
    return swept;
  }

  async function sweepClaims(run: Run): Promise<number> {
    let swept = 0;
    for await (const page of scan.claims()) {
      run.signal.throwIfAborted();
      const stored = await findRecordsByEventKey(connection, page.flatMap(keysOf));
      const settled = page.filter((event) => keysOf(event).some((key) => stored.has(key)));
      const givenUp = await claimsOfNobody(page.filter((event) => !settled.includes(event)));
      if (givenUp.length > 0) {
        run.logger.warn(
          { record_ids: givenUp.map((event) => event.record_id) },
          'Event ids are free again: nothing was queued or stored for them within a day',
        );
      }
      await pending.release([...settled, ...givenUp]);
      swept += settled.length + givenUp.length;
    }
    return swept;
  }

  async function claimsOfNobody(events: readonly UsageEvent[]): Promise<UsageEvent[]> {
    const old = events.filter((event) => event.received_at < Date.now() - CLAIM_AGE_MILLISECONDS);
    const queued = await inLiveJob(old.map((event) => event.record_id));
    return old.filter((event) => !queued.has(event.record_id));
  }

  /** Which of the records are in a job that is still in the queue. */
  async function inLiveJob(recordIds: readonly number[]): Promise<Set<number>> {
    const jobs = await Promise.all(recordIds.map((id) => pending.jobsOfRecord(id)));
    const live = await existingJobs(redis, queue, jobs.flat());
    return new Set(recordIds.filter((_, index) => jobs[index]?.some((job) => live.has(job))));
  }
}

function idsOf(range: ScannedRange): number[] {
  return Array.from({ length: range.last - range.first + 1 }, (_, index) => range.first + index);
}

/** One key, or none. */
function keysOf(event: UsageEvent): string[] {
  const key = eventKey(event);
  return key === undefined ? [] : [key];
}
