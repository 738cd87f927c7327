import { z } from 'zod';
import { answerJson } from '../answer.ts';
import type { Route } from '../route.ts';
import type { SystemStatus } from '../systemStatus.ts';

const Check = z
  .object({
    name: z.string().meta({ example: 'redis' }),
    ok: z.boolean(),
    detail: z.string().meta({ example: 'written and read back in 1 ms' }),
  })
  .meta({ id: 'Check' });

const Readiness = z.object({ ready: z.boolean(), checks: z.array(Check) }).meta({ id: 'Readiness' });
const Liveness = z.object({ status: z.literal('ok'), uptime_seconds: z.int() }).meta({ id: 'Liveness' });

/** For supervisors and load balancers. */
export function healthRoutes(status: SystemStatus): readonly Route[] {
  return [
    {
      method: 'get',
      path: '/healthz',
      access: 'open',
      errors: 'problem',
      limit: 'none',
      documentation: {
        summary: 'Does the process live?',
        tags: ['Health'],
        responses: {
          200: { description: 'It answers', content: { 'application/json': { schema: Liveness } } },
        },
      },
      example: { title: 'Does it live?', command: (baseUrl) => `curl -s ${baseUrl}/healthz` },
      handle(_request, response) {
        response.setHeader('Cache-Control', 'no-store');
        answerJson(response, 200, { status: 'ok', uptime_seconds: Math.floor(process.uptime()) });
      },
    },
    {
      method: 'get',
      path: '/readyz',
      access: 'open',
      errors: 'problem',
      limit: 'none',
      documentation: {
        summary: 'Can it serve, and do the queues move?',
        description:
          'Redis and MongoDB take a small write and give it back, and every queue with waiting jobs has made progress lately. The answer is at most a second old.',
        tags: ['Health'],
        responses: {
          200: { description: 'Ready', content: { 'application/json': { schema: Readiness } } },
          503: {
            description: 'Not ready; the checks say why',
            content: { 'application/json': { schema: Readiness } },
          },
        },
      },
      example: { title: 'Is it ready?', command: (baseUrl) => `curl -s ${baseUrl}/readyz` },
      async handle(_request, response) {
        const checks = await status.checks();
        const ready = checks.every((check) => check.ok);
        response.setHeader('Cache-Control', 'no-store');
        if (!ready) response.setHeader('Retry-After', '2');
        answerJson(response, ready ? 200 : 503, { ready, checks });
      },
    },
  ];
}
