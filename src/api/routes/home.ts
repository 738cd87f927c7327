import type { Request } from 'express';
import { answerText } from '../answer.ts';
import { homePage } from '../homePage.ts';
import { setPageHeaders } from '../pageHeaders.ts';
import type { Route } from '../route.ts';
import type { SystemStatus } from '../systemStatus.ts';

/**
 * The start page: what runs, how it is, and what to try.
 *
 * @param allRoutes - their examples are the lines to try
 */
export function homeRoutes(status: SystemStatus, allRoutes: () => readonly Route[]): readonly Route[] {
  return [
    {
      method: 'get',
      path: '/',
      access: 'open',
      errors: 'problem',
      limit: 'none',
      async handle(request, response) {
        const [checks, queues] = await Promise.all([status.checks(), status.queues().catch(() => undefined)]);
        const baseUrl = baseUrlOf(request);
        const lines = allRoutes().flatMap(({ example }) =>
          example ? [{ title: example.title, command: example.command(baseUrl) }] : [],
        );
        setPageHeaders(request, response);
        response.setHeader('Cache-Control', 'no-store');
        answerText(response, 200, 'text/html; charset=utf-8', homePage({ checks, queues, lines }));
      },
    },
  ];
}

function baseUrlOf(request: Request): string {
  return `${request.protocol}://${request.host ?? 'localhost'}`;
}
