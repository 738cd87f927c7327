import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Express, Request, RequestHandler } from 'express';
import type { AuditAction } from '../domain/audit/entry.ts';
import { namedFailure } from '../runtime/outage.ts';
import { sameSecret } from './access/sameSecret.ts';
import type { AuditTrail } from './audit/auditTrail.ts';
import type { ApiDependencies } from './dependencies.ts';
import {
  BadRequestError,
  ConflictError,
  ForbiddenError,
  NotFoundError,
  UnauthorizedError,
} from './errors.ts';
import { setPageHeaders } from './pageHeaders.ts';
import { redactSecrets } from './redactSecrets.ts';

const BOARD_PATH = '/admin/queues';
const CHALLENGE = 'Basic realm="millrace board", charset="UTF-8"';
const READING_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Mounts Bull Board for every queue behind its own password. Without a password there is no board. */
export function mountBoard(app: Express, { environment, queues, audit }: ApiDependencies): void {
  const { BOARD_USERNAME: username, BOARD_PASSWORD: password } = environment;
  if (username === undefined || password === undefined) {
    app.use(BOARD_PATH, () => {
      throw new NotFoundError('The board is not configured: set BOARD_USERNAME and BOARD_PASSWORD');
    });
    return;
  }
  const adapter = new ExpressAdapter().setBasePath(BOARD_PATH);
  createBullBoard({
    queues: queues.all().map((queue) => new BullMQAdapter(queue)),
    serverAdapter: adapter,
    options: {
      uiConfig: { boardTitle: 'Millrace', hideRedisDetails: true },
      // The board's formatters leave the reasons, options and logs of a job as they are; this covers all it shows.
      handlerHooks: { after: (_context, answer) => ({ ...answer, body: redactSecrets(answer.body) }) },
    },
  });
  adapter.setErrorHandler(refuse);
  const board: Express = adapter.getRouter();
  app.use(BOARD_PATH, guard(username, password, audit), board.disable('x-powered-by'));
}

/**
 * Answers like everywhere: a body that cannot be read, BullMQ's own refusals, which have a number because a job is gone or in
 * another state, and a Redis that is away.
 */
function refuse(error: Error): never {
  if ('statusCode' in error) throw new BadRequestError(error.message);
  if ('code' in error && typeof error.code === 'number') throw new ConflictError(error.message);
  throw namedFailure(error);
}

function guard(username: string, password: string, audit: AuditTrail): RequestHandler {
  const expected = `${username}:${password}`;
  return (request, response, next) => {
    const presented = presentedCredentials(request);
    if (presented === undefined || !sameSecret(presented, expected)) {
      if (presented !== undefined)
        request.context.logger.warn({ ip: request.context.ip }, 'Board access refused');
      throw new UnauthorizedError('The board needs its user name and password', CHALLENGE);
    }
    if (!READING_METHODS.has(request.method)) {
      const { action, target } = changeOf(request);
      request.context.audit = { who: `board:${username}`, target };
      audit.follow(request, response, action);
      if (!isSameOrigin(request)) throw new ForbiddenError('The board takes changes from its own pages only');
    }
    response.setHeader('X-Request-Id', request.context.requestId);
    setPageHeaders(request, response);
    next();
  };
}

const RETRIED_JOB = /^\/api\/queues\/([^/]+)\/([^/]+)\/retry$/;
const RETRIED_QUEUE = /^\/api\/queues\/([^/]+)\/retry\/([^/]+)$/;

/** What a request to the board changes, for the audit log. Its paths hold names and ids, and no secrets. */
function changeOf({ method, path }: Request): { readonly action: AuditAction; readonly target: string } {
  const [, queue, job] = RETRIED_JOB.exec(path) ?? [];
  if (queue !== undefined) return { action: 'job.retry', target: `${queue}/${job}` };
  const [, wholeQueue, state] = RETRIED_QUEUE.exec(path) ?? [];
  if (wholeQueue !== undefined) return { action: 'queue.retry', target: `${wholeQueue}/${state}` };
  return { action: 'board.change', target: `${method} ${path}` };
}

function presentedCredentials(request: Request): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
}

/**
 * A browser adds the password by itself, also to what another site's page sends, but always says where the request comes
 * from. What says nothing is no browser, and holds the password itself.
 */
function isSameOrigin(request: Request): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const origin = request.headers.origin;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === request.host;
}
