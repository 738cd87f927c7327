import type { Registry } from 'prom-client';
import { answerText } from '../answer.ts';
import type { Route } from '../route.ts';

/** Metrics in Prometheus' text format. */
export function metricsRoutes(registry: Registry): readonly Route[] {
  return [
    {
      method: 'get',
      path: '/metrics',
      access: 'operations',
      errors: 'problem',
      documentation: {
        summary: 'Metrics of the process, the requests and the queues for Prometheus',
        tags: ['Operations'],
        responses: { 200: { description: "Prometheus' text format", content: { 'text/plain': {} } } },
      },
      async handle(_request, response) {
        answerText(response, 200, registry.contentType, await registry.metrics());
      },
    },
  ];
}
