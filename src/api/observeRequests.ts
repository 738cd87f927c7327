import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Logger } from '../runtime/logger.ts';
import type { HttpMetrics } from '../runtime/metrics.ts';
import { RequestContext, requestIdOf } from './requestContext.ts';

const LONGEST_LOGGED_PATH = 500;

/**
 * First in the chain: gives the request its context and id, and when it is over writes its one log line and counts it.
 * The query is not logged, it may hold what is nobody's business.
 */
export function observeRequests(logger: Logger, metrics: HttpMetrics): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    const context = new RequestContext(requestIdOf(request), request.ip ?? '', logger);
    request.context = context;
    response.setHeader('X-Request-Id', context.requestId);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.on('close', () => {
      const milliseconds = performance.now() - context.startedAt;
      metrics.observe(request.method, context.route?.path, response.statusCode, milliseconds / 1000);
      logger.info(
        {
          request_id: context.requestId,
          method: request.method,
          path: pathOf(request.originalUrl),
          status: response.statusCode,
          ms: Math.round(milliseconds * 10) / 10,
          ip: context.ip,
          ...(response.writableFinished ? undefined : { aborted: true }),
          ...context.logFields,
        },
        'request',
      );
    });
    next();
  };
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  return path.length > LONGEST_LOGGED_PATH ? `${path.slice(0, LONGEST_LOGGED_PATH)}…` : path;
}
