import { randomBytes } from 'node:crypto';
import { Job, type Queue } from 'bullmq';
import type { UsageEvent } from '../../domain/usage/report.ts';
import type { PendingEntries, TrackedJob, UsagePending } from '../../models/usagePending.ts';
import type { JobEnvelope, Payload } from '../../queues/defineQueue.ts';
import { LARGEST_USAGE_JOB, usageQueue } from '../../queues/usage.ts';
import { jobOptions } from '../jobOptions.ts';
import { addTrackedJobs, type JobToAdd } from './addTrackedJobs.ts';

const JOB = 'store-reports';
const options = jobOptions(usageQueue, JOB);

// Unique over all processes and restarts. Never built from a record id: a job that is there already swallows a second
// one with its id, and with it the events that only the second one carries.
const processTag = randomBytes(6).toString('hex');
let jobCount = 0;

/**
 * Puts the events into the queue, up to a hundred in one job, and makes them known as pending, all of it or nothing.
 *
 * @param replaced - what was known of the events' former job; it is forgotten at the same moment
 * @returns how many runs of records wait in all
 * @throws ServiceUnavailableError when Redis is away; if it went away while answering, the events may be queued
 */
export function enqueueEvents(
  queue: Queue,
  pending: UsagePending,
  events: readonly UsageEvent[],
  requestIds: readonly string[],
  replaced: PendingEntries = { ranges: [], groups: [] },
): Promise<number> {
  const jobs = cutIntoJobs(events).map(({ jobId, events: jobEvents }): JobToAdd => {
    const data: JobEnvelope<Payload<typeof usageQueue, typeof JOB>> = {
      payload: { events: [...jobEvents] },
      request_ids: requestIds,
    };
    return { jobId, events: jobEvents, job: new Job(queue, JOB, data, options, jobId).asJSON() };
  });
  return addTrackedJobs(queue, pending, jobs, replaced);
}

function cutIntoJobs(events: readonly UsageEvent[]): TrackedJob[] {
  const jobs: TrackedJob[] = [];
  for (let start = 0; start < events.length; start += LARGEST_USAGE_JOB) {
    jobs.push({
      jobId: `reports-${processTag}-${(++jobCount).toString(36)}`,
      events: events.slice(start, start + LARGEST_USAGE_JOB),
    });
  }
  return jobs;
}
