import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import { z } from 'zod';
import type { BusinessCalendar } from '../../domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../domain/usage/report.ts';
import { storeUsageEvents } from '../../models/usage.ts';
import type { TrackedJob, UsagePending } from '../../models/usagePending.ts';
import { enqueueEvents } from '../../producers/usage/enqueueEvents.ts';
import { wakeRelay } from '../../producers/usage/wakeRelay.ts';
import { usageEventSchema, usageQueue } from '../../queues/usage.ts';
import { Coalescer } from '../../runtime/coalescer.ts';
import type { Handlers, Run } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import { type Stored, storeInTransactions } from './storeInTransactions.ts';

export interface StoreReportsDependencies {
  readonly queue: Queue;
  readonly pending: UsagePending;
  readonly connection: Connection;
  readonly calendar: BusinessCalendar;
  /** Where to tell that reports wait to be relayed; absent without a relay. */
  readonly relayQueue?: Queue | undefined;
}

/** All jobs that run at the same time share a write. A run that timed out leaves its write behind, so more may wait. */
const WRITE_LIMITS = {
  largestWrite: usageQueue.concurrency,
  mostWaiting: 4 * usageQueue.concurrency,
  writesAtOnce: 1,
} as const;

/**
 * Stores the accepted reports of a job. The jobs that this process runs at the same time share transactions, one after
 * the other: it costs MongoDB less, and they do not collide on the buckets that they all change.
 */
export function createStoreReports(
  dependencies: StoreReportsDependencies,
): Handlers<typeof usageQueue>['store-reports'] {
  const { connection, calendar, pending, relayQueue } = dependencies;
  const store = (events: readonly UsageEvent[]) =>
    storeUsageEvents(connection, events, { calendar, relay: relayQueue !== undefined });
  const writes = new Coalescer<readonly UsageEvent[], Stored>(
    (jobs) => storeInTransactions(jobs, store),
    WRITE_LIMITS,
  );
  const settlements = new Coalescer<TrackedJob, 'settled'>(async (jobs) => {
    await pending.settle(jobs);
    return jobs.map(() => 'settled');
  }, WRITE_LIMITS);

  return async (payload, run) => {
    const { events, poison } = sortOut(payload.events);
    if (poison.length > 0) return splitOut(events, poison, run);
    const stored = await writes.add(events);
    if (stored.kind === 'failed') throw stored.error;
    await settlements.add({ jobId: run.jobId, events });
    if (relayQueue)
      await wakeRelay(relayQueue, new Set(events.map((event) => event.user_id)), run.requestIds);
    return done;
  };

  /** The readable events go on in a job of their own; this one is kept with what is wrong with it. */
  async function splitOut(
    events: readonly UsageEvent[],
    poison: readonly string[],
    run: Run,
  ): Promise<Outcome> {
    const known = await pending.entriesOfJob(run.jobId);
    if (events.length > 0) await enqueueEvents(dependencies.queue, pending, events, run.requestIds, known);
    else await pending.forget(known);
    return {
      kind: 'dead',
      reason: `${poison.length} of ${poison.length + events.length} events cannot be read: ${poison.join('; ')}. The others went on in a job of their own.`,
    };
  }
}

function sortOut(candidates: readonly unknown[]): { events: UsageEvent[]; poison: string[] } {
  const events: UsageEvent[] = [];
  const poison: string[] = [];
  candidates.forEach((candidate, index) => {
    const parsed = usageEventSchema.safeParse(candidate);
    if (parsed.success) events.push(parsed.data);
    else poison.push(`event ${index}: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
  });
  return { events, poison };
}
