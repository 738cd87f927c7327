import cors, { type CorsOptions } from 'cors';
import type { ErrorRequestHandler, Express, Request, RequestHandler, Response } from 'express';
import type { AccessCheck } from './auth.ts';
import { answerError, MethodNotAllowedError, NotFoundError } from './errors.ts';
import type { Route } from './route.ts';

const OPEN_CORS: CorsOptions = {
  origin: '*',
  allowedHeaders: ['Content-Type', 'Idempotency-Key', 'X-Request-Id'],
  exposedHeaders: ['X-Request-Id', 'Retry-After'],
  maxAge: 86_400,
};

/**
 * Mounts the routes in their order, and behind them the answers for what no route takes: 405 with `Allow` for a path
 * that is known with another method, 404 for an unknown one, and every error in the family of its route.
 */
export function mountRoutes(app: Express, routes: readonly Route[], checkAccess: AccessCheck): void {
  for (const [path, ofPath] of groupByPath(routes)) {
    const methods = ofPath.map((route) => route.method.toUpperCase());
    const mounted = app.route(path);
    for (const route of ofPath) mounted[route.method](handlerOf(route, checkAccess));
    if (ofPath.some((route) => route.cors))
      mounted.options(identify(ofPath), cors({ ...OPEN_CORS, methods }));
    const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
    mounted.all(identify(ofPath), refuseMethod(allow));
  }
}

/** Last in the chain: what no route took, and what one threw. */
export function mountRefusals(app: Express, routes: readonly Route[]): void {
  app.use((request) => {
    throw new NotFoundError(`There is nothing at ${request.path}`);
  });
  const onError: ErrorRequestHandler = (error, request, response, _next) => {
    request.context.route ??= siblingOf(request.path, routes);
    answerError(error, request, response);
  };
  app.use(onError);
}

function groupByPath(routes: readonly Route[]): ReadonlyMap<string, readonly Route[]> {
  return Map.groupBy(routes, (route) => route.path);
}

function handlerOf(route: Route, checkAccess: AccessCheck): RequestHandler {
  return (request, response, next) => {
    request.context.route = route;
    const answered =
      route.access === 'open'
        ? route.handle(request, response)
        : handleForCaller(route, checkAccess, request, response);
    if (answered) answered.catch(next);
  };
}

async function handleForCaller(
  route: Route,
  checkAccess: AccessCheck,
  request: Request,
  response: Response,
): Promise<void> {
  request.context.caller = await checkAccess(request, route);
  await route.handle(request, response);
}

function refuseMethod(allow: string): RequestHandler {
  return (request, response) => {
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { Allow: allow }).end();
      return;
    }
    throw new MethodNotAllowedError(request.method, allow);
  };
}

/** What is not answered by a route's handler still belongs to its path, and says which request it was. */
function identify(ofPath: readonly Route[]): RequestHandler {
  return (request, response, next) => {
    request.context.route = ofPath[0];
    response.setHeader('X-Request-Id', request.context.requestId);
    next();
  };
}

/** A path that cannot be decoded matches no route; it is answered like the routes that begin as it does. */
function siblingOf(path: string, routes: readonly Route[]): Route | undefined {
  return routes.find((route) => {
    const parameter = route.path.indexOf(':');
    return parameter > 1 && path.startsWith(route.path.slice(0, parameter));
  });
}
