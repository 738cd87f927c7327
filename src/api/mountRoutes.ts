import cors, { type CorsOptions } from 'cors';
import type { ErrorRequestHandler, Express, Request, RequestHandler, Response } from 'express';
import type { AccessCheck } from './access/accessCheck.ts';
import type { AuditTrail } from './audit/auditTrail.ts';
import { allowConfiguredOrigin, CORS_HEADERS } from './configuredOrigins.ts';
import { answerError, MethodNotAllowedError, NotFoundError } from './errors.ts';
import { foldPath } from './foldPath.ts';
import type { RequestLimit, RequestLimits } from './limits/requestLimits.ts';
import type { ErrorFamily, Route } from './route.ts';

/** What stands before every handler. */
export interface Gate {
  readonly checkAccess: AccessCheck;
  readonly limits: RequestLimits;
  readonly audit: AuditTrail;
  /** Browsers' origins that may call the routes with `cors: 'configured'`. */
  readonly origins: readonly string[];
}

/**
 * Mounts the routes in their order, and behind them the answers for what no route takes: 405 with `Allow` for a path
 * that is known with another method, 404 for an unknown one, and every error in the family of its route.
 */
export function mountRoutes(app: Express, routes: readonly Route[], gate: Gate): void {
  for (const [path, ofPath] of groupByPath(routes)) {
    const methods = ofPath.map((route) => route.method.toUpperCase());
    const mounted = app.route(path);
    for (const route of ofPath) mounted[route.method](handlerOf(route, gate));
    const preflight = preflightOf(ofPath, methods, gate.origins);
    if (preflight) mounted.options(identify(ofPath), cors(preflight));
    const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
    mounted.all(identify(ofPath), refuseMethod(allow, ofPath, gate));
  }
}

/**
 * Last in the chain: what no route took, and what one threw.
 *
 * @param origins - of the pages that may read that there is nothing, too
 */
export function mountRefusals(app: Express, routes: readonly Route[], origins: readonly string[]): void {
  const preflight = cors({ ...CORS_HEADERS, ...OF_NO_ROUTE, origin: [...origins] });
  app.use((request, response, next) => {
    const nothing = new NotFoundError(`There is nothing at ${request.path}`);
    if (!isPreflight(request, origins)) throw nothing;
    response.setHeader('X-Request-Id', request.context.requestId);
    preflight(request, response, next);
  });
  const onError: ErrorRequestHandler = (error, request, response, _next) => {
    const { context } = request;
    context.route ??= siblingOf(request.path, routes);
    const isConfigured = context.route ? context.route.cors === 'configured' : isBelowApi(request);
    if (isConfigured && !response.headersSent) allowConfiguredOrigin(request, response, origins);
    // The router's own failure to decode the path.
    const refusal = error instanceof URIError ? context.route?.undecodable?.() : undefined;
    answerError(refusal ?? error, request, response);
  };
  app.use(onError);
}

/** What the credits contract says of all of `/api/`. */
const OF_NO_ROUTE = { methods: ['GET', 'POST', 'OPTIONS'], maxAge: 86_400 };

function isBelowApi({ path }: Request): boolean {
  return foldPath(path).startsWith('/api/');
}

/** Of a page that may call the API. Without an answer to it the page would not get to see the refusal. */
function isPreflight(request: Request, origins: readonly string[]): boolean {
  const { origin, 'access-control-request-method': wanted } = request.headers;
  const isAllowed = origin !== undefined && origins.includes(origin);
  return request.method === 'OPTIONS' && wanted !== undefined && isAllowed && isBelowApi(request);
}

function groupByPath(routes: readonly Route[]): ReadonlyMap<string, readonly Route[]> {
  return Map.groupBy(routes, (route) => route.path);
}

type Handle = Route['handle'];

function handlerOf(route: Route, gate: Gate): RequestHandler {
  const handle = behindOrigins(route, gate, behindAudit(route, gate, behindAccess(route, gate)));
  return (request, response, next) => {
    request.context.route = route;
    const answered = handle(request, response);
    if (answered) answered.catch(next);
  };
}

/** An open route without a limit gets nothing put before it: it must not cost anything. */
function behindAccess(route: Route, { checkAccess, limits }: Gate): Handle {
  const { access } = route;
  const limit = limits.ofRoute(route);
  if (access === 'open')
    return limit ? (request, response) => limited(limit, route, request, response) : route.handle;
  return async (request, response) => {
    request.context.checkAgain = () => checkAccess(request, route, access);
    request.context.caller = await request.context.checkAgain();
    await limit?.(request, response);
    await route.handle(request, response);
  };
}

async function limited(
  limit: RequestLimit,
  route: Route,
  request: Request,
  response: Response,
): Promise<void> {
  await limit(request, response);
  await route.handle(request, response);
}

function behindAudit({ audit: action }: Route, { audit }: Gate, handle: Handle): Handle {
  if (action === undefined) return handle;
  return (request, response) => {
    audit.follow(request, response, action);
    return handle(request, response);
  };
}

function behindOrigins(route: Route, { origins }: Gate, handle: Handle): Handle {
  if (route.cors !== 'configured') return handle;
  return (request, response) => {
    allowConfiguredOrigin(request, response, origins);
    return handle(request, response);
  };
}

/** Nothing for a path that no browser's page may call. */
function preflightOf(
  ofPath: readonly Route[],
  methods: readonly string[],
  origins: readonly string[],
): CorsOptions | undefined {
  const isAny = ofPath.some((route) => route.cors === 'any');
  if (!isAny && !ofPath.some((route) => route.cors === 'configured')) return undefined;
  return { ...CORS_HEADERS, origin: isAny ? '*' : [...origins], methods: [...methods], maxAge: 86_400 };
}

/** Its contract has the key checked before anything else. */
const KEY_FIRST: ErrorFamily = 'credits';

function refuseMethod(allow: string, [route]: readonly Route[], { checkAccess }: Gate): RequestHandler {
  return async (request, response) => {
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { Allow: allow }).end();
      return;
    }
    if (route?.errors === KEY_FIRST && route.access !== 'open')
      await checkAccess(request, route, route.access);
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

/** A path that cannot be decoded matches no route; it is answered like the one whose path it resembles longest. */
function siblingOf(path: string, routes: readonly Route[]): Route | undefined {
  const segments = path.split('/');
  let longest: { readonly route: Route; readonly length: number } | undefined;
  for (const route of routes) {
    const length = resemblance(route.path.split('/'), segments);
    if (length > (longest?.length ?? 0)) longest = { route, length };
  }
  return longest?.route;
}

/** Segments from the start that are the same or a parameter; 0 before the first parameter. */
function resemblance(pattern: readonly string[], segments: readonly string[]): number {
  const end = pattern.findIndex((part, place) => !part.startsWith(':') && part !== segments[place]);
  const same = end === -1 ? pattern : pattern.slice(0, end);
  const isWhole = end === -1 && pattern.length === segments.length;
  return same.some((part) => part.startsWith(':')) ? same.length + (isWhole ? 1 : 0) : 0;
}
