import type { Job, Queue } from 'bullmq';
import { z } from 'zod';
import type { OpenQueues } from '../../producers/queues.ts';
import { withRedis } from '../../runtime/outage.ts';
import { answerJson } from '../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../deadline.ts';
import { NotFoundError } from '../errors.ts';
import type { Route } from '../route.ts';

/** Longer than any id that is given out. */
const LONGEST_JOB_ID = 200;

const Instant = z.iso.datetime().nullable();

const JobView = z
  .object({
    queue: z.string(),
    id: z.string(),
    name: z.string(),
    state: z.enum([
      'waiting',
      'waiting-children',
      'prioritized',
      'active',
      'delayed',
      'completed',
      'failed',
      'unknown',
    ]),
    progress: z.unknown().meta({ description: 'A number, a text or an object, as the job reports it' }),
    attempts_made: z.int(),
    attempts_allowed: z.int(),
    result: z.unknown().meta({ description: 'What the job returned; null while it has not ended well' }),
    reason: z.string().nullable().meta({ description: 'Why the latest run failed' }),
    created_at: Instant,
    started_at: Instant,
    finished_at: Instant,
  })
  .meta({ id: 'Job' });

/** Looks at single jobs, without their payload. */
export function jobRoutes(queues: OpenQueues): readonly Route[] {
  return [
    {
      method: 'get',
      path: '/api/jobs/:queue/:id',
      access: 'operations',
      errors: 'problem',
      documentation: {
        summary: 'State, progress, attempts and outcome of a job',
        tags: ['Jobs'],
        requestParams: { path: z.object({ queue: z.string(), id: z.string() }) },
        responses: {
          200: { description: 'The job', content: { 'application/json': { schema: JobView } } },
          404: { description: 'No such queue, or no such job (finished jobs are kept for a while)' },
        },
      },
      async handle(request, response) {
        const queueName = String(request.params.queue);
        const id = String(request.params.id);
        const view = await withinDeadline(ANSWER_MILLISECONDS, 'Redis', readJob(queues, queueName, id));
        if (!view) throw new NotFoundError('There is no such job');
        answerJson(response, 200, view);
      },
    },
  ];
}

async function readJob(
  queues: OpenQueues,
  queueName: string,
  id: string,
): Promise<z.infer<typeof JobView> | undefined> {
  const queue = queues.find(queueName);
  if (!queue || !isJobId(queue, id)) return undefined;
  const job: Job | undefined = await withRedis(() => queue.getJob(id));
  if (!job) return undefined;
  const state = await withRedis(() => job.getState());
  return {
    queue: queueName,
    id,
    name: job.name,
    state: JobView.shape.state.catch('unknown').parse(state),
    progress: job.progress,
    attempts_made: job.attemptsMade,
    attempts_allowed: job.opts.attempts ?? 1,
    result: job.returnvalue ?? null,
    reason: job.failedReason ?? null,
    created_at: instant(job.timestamp),
    started_at: instant(job.processedOn),
    finished_at: instant(job.finishedOn),
  };
}

/** The id becomes part of a Redis key, and must not reach the queue's own keys, such as `meta` or `events`. */
function isJobId(queue: Queue, id: string): boolean {
  return id.length <= LONGEST_JOB_ID && /^[A-Za-z0-9._-]+$/.test(id) && !Object.hasOwn(queue.keys, id);
}

function instant(milliseconds: number | undefined): string | null {
  return milliseconds === undefined ? null : new Date(milliseconds).toISOString();
}
