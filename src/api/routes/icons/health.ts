import type { Response } from 'express';
import { z } from 'zod';
import { answerJson } from '../../answer.ts';
import type { Route } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';

type HealthDependencies = Pick<IconsRouteDependencies, 'environment' | 'redis'>;

const Health = z
  .object({
    status: z.literal('healthy'),
    services: z.object({
      redis: z.enum(['healthy', 'unhealthy']),
      flask: z.literal('healthy').meta({ description: "The API; the name is the contract's" }),
      openai: z.enum(['configured', 'not_configured']),
    }),
  })
  .meta({ id: 'IconsHealth' });

/** `GET /api/health`: 200 as long as the process answers; `/readyz` tells whether it can serve. */
export function healthRoute({ environment, redis }: HealthDependencies): Route {
  return {
    method: 'get',
    path: '/api/health',
    access: 'open',
    errors: 'icons',
    cors: 'any',
    limit: 'none',
    documentation: {
      summary: 'Does the API answer?',
      description: 'As the icons contract wants it. `/readyz` looks deeper.',
      tags: ['Health'],
      responses: {
        200: { description: 'It does', content: { 'application/json': { schema: Health } } },
      },
    },
    handle: (_request, response: Response) => {
      response.setHeader('Cache-Control', 'no-store');
      answerJson(response, 200, {
        status: 'healthy',
        services: {
          redis: redis.status === 'ready' ? 'healthy' : 'unhealthy',
          flask: 'healthy',
          openai: environment.OPENAI_API_KEY === undefined ? 'not_configured' : 'configured',
        },
      } satisfies z.infer<typeof Health>);
    },
  };
}
