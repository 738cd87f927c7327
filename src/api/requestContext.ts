import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { Caller } from '../domain/accounts/caller.ts';
import type { Route } from './route.ts';

/** What is known about one request besides what the client sent. A handler finds it at `request.context`. */
export class RequestContext {
  /** The client's `X-Request-Id` when it is well-formed, else a fresh one. Travels into jobs and log lines. */
  readonly requestId: string;
  /** Address of the client, behind as many proxies as are trusted. */
  readonly ip: string;
  /** `performance.now()` at the first look at the request. */
  readonly startedAt = performance.now();
  /** The route that answers; absent while none has matched. */
  route: Route | undefined = undefined;
  /** Who sent the request; absent on open routes. */
  caller: Caller | undefined = undefined;
  /** Throws when the credential does not suffice any more, for answers that go on; absent on open routes. */
  checkAgain: (() => Caller | Promise<Caller>) | undefined = undefined;
  /** Fields that the handler adds to the request's log line. Never a secret. */
  logFields: LogFields | undefined = undefined;
  /** What only the handler knows of the entry that an audited route gets in the audit log. */
  audit: AuditDetails | undefined = undefined;
  readonly #processLogger: Logger;
  #logger: Logger | undefined;

  constructor(requestId: string, ip: string, processLogger: Logger) {
    this.requestId = requestId;
    this.ip = ip;
    this.#processLogger = processLogger;
  }

  /** Writes the request's id into every line. Made at the first use: most requests have only their one line. */
  get logger(): Logger {
    this.#logger ??= this.#processLogger.child({ request_id: this.requestId });
    return this.#logger;
  }
}

export interface AuditDetails {
  /** On an open route: who it was, in the form of `callerId`. Without it an open route writes no entry. */
  readonly who?: string;
  /** What it was done to; by default the parameters of the path. Never a secret. */
  readonly target?: string;
}

export type LogFields = Readonly<Record<string, string | number | boolean>>;

declare global {
  namespace Express {
    interface Request {
      context: RequestContext;
    }
  }
}

const ACCEPTED_REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/;

/** Drawn anew in every process, so that ids do not repeat after a restart. */
const PROCESS_PREFIX = `${randomBytes(9).toString('base64url')}.`;
let issued = 0;

/** The id that the client chose, or one that no other request has. */
export function requestIdOf(request: IncomingMessage): string {
  const chosen = request.headers['x-request-id'];
  if (typeof chosen === 'string' && ACCEPTED_REQUEST_ID.test(chosen)) return chosen;
  issued += 1;
  return PROCESS_PREFIX + issued.toString(36);
}
