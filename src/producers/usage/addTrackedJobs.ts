import type { JobJson, Queue, RedisClient, RedisQueueBackend } from 'bullmq';
import { addStandardJob } from 'bullmq/dist/esm/scripts/addStandardJob-9.js';
import {
  type PendingEntries,
  TRACKING_FUNCTIONS,
  type TrackedJob,
  type UsagePending,
} from '../../models/usagePending.ts';
import { withRedis } from '../../runtime/outage.ts';
import { RedisScript } from '../../runtime/redisScript.ts';

/** A job as BullMQ writes it down, and the events in it. */
export interface JobToAdd extends TrackedJob {
  readonly job: JobJson;
}

/** How many of BullMQ's script are no keys; `addJob` below hands them on. */
const ARGUMENTS_OF_JOB = 3;

/**
 * BullMQ's own script for each job, and what is known of its events, in one script: it costs half of what a transaction of the
 * two does, and Redis refuses it as a whole or not at all.
 *
 * BullMQ does not publish its scripts. The file is named after the number of keys: with a release that has others no process
 * starts.
 */
const ADD_TRACKED_JOBS = new RedisScript(`
${TRACKING_FUNCTIONS}
local function addJob(KEYS, ARGV)
${addStandardJob.content}
end
local queueKeys = { unpack(KEYS, 4) }
for at = 4, #ARGV, ${ARGUMENTS_OF_JOB + 2} do
  addJob(queueKeys, { ARGV[at], ARGV[at + 1], ARGV[at + 2] })
  trackGroups(ARGV[at + 3], ARGV[at + 4])
end
return trackRanges(ARGV[1], ARGV[2], ARGV[3])`);

/**
 * Adds the jobs and makes their events known as pending, all of it or nothing.
 *
 * @param replaced - what was known of the events' former job; it is forgotten at the same moment
 * @returns how many runs of records wait in all
 * @throws ServiceUnavailableError when Redis is away; if it went away while answering, the jobs may be there
 */
export async function addTrackedJobs(
  queue: Queue,
  pending: UsagePending,
  jobs: readonly JobToAdd[],
  replaced: PendingEntries,
): Promise<number> {
  const { keys, groupsOfJobs, ranges } = pending.tracking(jobs, replaced);
  const client = await withRedis(() => queue.backend.client);
  const commands = await Promise.all(jobs.map(({ job, jobId }) => addCommand(queue, client, job, jobId)));
  const queueKeys = commands[0]?.slice(0, addStandardJob.keys) ?? [];
  const args = jobs.flatMap(({ jobId }, index) => [
    ...(commands[index]?.slice(addStandardJob.keys) ?? []),
    jobId,
    groupsOfJobs[index] ?? '',
  ]);
  const waiting = await withRedis(() =>
    ADD_TRACKED_JOBS.run(pending.redis, [...keys, ...queueKeys], [...ranges, ...args]),
  );
  return Number(waiting);
}

/** Keys and arguments of the command by which BullMQ would add the job. */
async function addCommand(
  queue: Queue,
  client: RedisClient,
  job: JobJson,
  jobId: string,
): Promise<readonly (string | Buffer)[]> {
  let command: readonly (string | Buffer)[] = [];
  const recorder: RedisQueueBackend = Object.create(queue.backend, {
    execCommand: {
      value: (_client: RedisClient, name: string, keysAndArguments: readonly (string | Buffer)[]) => {
        if (
          name !== addStandardJob.name ||
          keysAndArguments.length !== addStandardJob.keys + ARGUMENTS_OF_JOB
        )
          throw new Error(`BullMQ would add the job with ${name} in another way`);
        command = keysAndArguments;
      },
    },
  });
  await recorder.addJobToTransaction(client, job, jobId);
  return command;
}
