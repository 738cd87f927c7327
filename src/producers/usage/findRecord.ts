import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import { z } from 'zod';
import type { UsageEvent } from '../../domain/usage/report.ts';
import { findRecords } from '../../models/usage.ts';
import type { UsagePending } from '../../models/usagePending.ts';
import { usageEventSchema } from '../../queues/usage.ts';
import { withRedis } from '../../runtime/outage.ts';

/** Where an accepted report is now. */
export type FoundRecord =
  | { readonly state: 'queued'; readonly event: UsageEvent }
  | { readonly state: 'stored'; readonly event: UsageEvent };

export interface RecordLookupDependencies {
  readonly queue: Queue;
  readonly pending: UsagePending;
  readonly connection: Connection;
}

const jobEvents = z.object({ payload: z.object({ events: z.array(z.unknown()) }) });

/**
 * Finds an accepted report. Redis is asked first: a report moves from there to MongoDB, so whoever is missed here is
 * found there.
 *
 * @throws ServiceUnavailableError when Redis or MongoDB is away
 */
export async function findRecord(
  dependencies: RecordLookupDependencies,
  recordId: number,
): Promise<FoundRecord | undefined> {
  const queued = await findQueued(dependencies, recordId);
  const [stored] = await findRecords(dependencies.connection, [recordId]);
  if (stored) return { state: 'stored', event: stored };
  return queued && { state: 'queued', event: queued };
}

async function findQueued(
  { queue, pending }: RecordLookupDependencies,
  recordId: number,
): Promise<UsageEvent | undefined> {
  for (const jobId of await pending.jobsOfRecord(recordId)) {
    const job = await withRedis(() => queue.getJob(jobId));
    const data = jobEvents.safeParse(job?.data);
    for (const candidate of data.success ? data.data.payload.events : []) {
      const event = usageEventSchema.safeParse(candidate);
      if (event.success && event.data.record_id === recordId) return event.data;
    }
  }
  return undefined;
}
