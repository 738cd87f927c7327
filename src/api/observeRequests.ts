import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import type { HttpMetrics } from '../runtime/httpMetrics.ts';
import { RequestContext, requestIdOf } from './requestContext.ts';
import { createRequestLog } from './requestLog.ts';

/**
 * Makes what sees every request first: it gives the request its context and id, and when the request is over writes its
 * one log line and counts it.
 *
 * @param proxies - how many proxies in front are trusted to say who the client is
 */
export function observeRequests(
  logger: Logger,
  metrics: HttpMetrics,
  proxies: number,
): (request: Request, response: Response) => void {
  const writeLine = createRequestLog(logger);
  return (request, response) => {
    const ip = (proxies === 0 ? request.socket.remoteAddress : request.ip) ?? '';
    const context = new RequestContext(requestIdOf(request), ip, logger);
    request.context = context;
    response.on('close', () => {
      const milliseconds = performance.now() - context.startedAt;
      metrics.count(request.method, context.route?.path, response.statusCode, milliseconds / 1000);
      writeLine(request, response, milliseconds);
    });
  };
}
