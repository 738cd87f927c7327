import { z } from 'zod';
import { answerJson } from '../../answer.ts';
import type { Route } from '../../route.ts';

const Healthy = z.object({ status: z.literal('healthy') }).meta({ id: 'Healthy' });

/** `GET /health`, where a guide of the contract's first server says it is. Supervisors have `/healthz` and `/readyz`. */
export function contractHealthRoute(): Route {
  return {
    method: 'get',
    path: '/health',
    access: 'open',
    errors: 'credits',
    limit: 'none',
    cors: 'configured',
    documentation: {
      summary: 'Does it live? In the words of the credits contract',
      tags: ['Health'],
      responses: { 200: { description: 'It answers', content: { 'application/json': { schema: Healthy } } } },
    },
    handle(_request, response) {
      response.setHeader('Cache-Control', 'no-store');
      answerJson(response, 200, { status: 'healthy' });
    },
  };
}
