import type { Request, Response } from 'express';
import { LRUCache } from 'lru-cache';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import { callerId } from '../../domain/accounts/caller.ts';
import {
  type AuditAction,
  type AuditEntry,
  type AuditOutcome,
  auditTarget,
  outcomeOfStatus,
} from '../../domain/audit/entry.ts';
import { appendAuditEntries } from '../../models/auditLog.ts';
import { Coalescer } from '../../runtime/coalescer.ts';
import type { Route } from '../route.ts';

const LARGEST_WRITE = 500;
const MOST_WAITING = 10_000;
/** Somebody who is refused again and again at the same endpoint is written down once in this time. */
const DENIED_AGAIN_MILLISECONDS = 60_000;
const MOST_DENIED_REMEMBERED = 10_000;

/** What is known of the request besides its action and outcome. */
type Origin = Pick<AuditEntry, 'ip' | 'request_id'>;

/**
 * Writes what callers with power do into the audit log, after they were answered. A request does not wait for its entry
 * and does not fail with it; an entry that could not be written stands in the process's log instead.
 */
export class AuditTrail {
  readonly #logger: Logger;
  readonly #writes: Coalescer<AuditEntry, true>;
  readonly #denied = new LRUCache<string, true>({
    max: MOST_DENIED_REMEMBERED,
    ttl: DENIED_AGAIN_MILLISECONDS,
  });
  readonly #writing = new Set<Promise<void>>();

  constructor(connection: Connection, logger: Logger) {
    this.#logger = logger;
    this.#writes = new Coalescer(
      async (entries) => {
        await appendAuditEntries(connection, entries);
        return entries.map(() => true);
      },
      { largestWrite: LARGEST_WRITE, mostWaiting: MOST_WAITING, writesAtOnce: 1 },
    );
  }

  /** Writes an entry of this moment. Returns at once. */
  append(entry: Omit<AuditEntry, 'at'>): void {
    const dated = { at: new Date(), ...entry };
    const writing = this.#writes
      .add(dated)
      .then(() => undefined)
      .catch((error: unknown) => {
        this.#logger.error({ err: error, entry: dated }, 'An entry of the audit log could not be written');
      })
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  /**
   * Writes what became of the request when it is over. Who did it is the caller, or who the handler says it was
   * (`context.audit`); when neither is known there is no entry.
   */
  follow(request: Request, response: Response, action: AuditAction): void {
    // The router takes them back when the handler fails.
    const parameters = Object.values(request.params).join('/');
    response.once('close', () => {
      const { caller, audit } = request.context;
      const who = audit?.who ?? (caller && callerId(caller));
      if (who === undefined) return;
      const answered = response.headersSent;
      const status = answered ? response.statusCode : null;
      const outcome: AuditOutcome = status === null ? 'unknown' : outcomeOfStatus(status);
      const target = auditTarget(audit?.target ?? parameters);
      this.append({ who, action, target, outcome, status, ...originOf(request) });
    });
  }

  /** Writes down that a known caller was refused; once a minute for each caller and endpoint. */
  denied(request: Request, route: Route, who: string, status: number): void {
    const endpoint = `${route.method.toUpperCase()} ${route.path}`;
    const seen = `${who} ${endpoint}`;
    if (this.#denied.has(seen)) return;
    this.#denied.set(seen, true);
    const target = auditTarget(endpoint);
    this.append({ who, action: 'access.denied', target, outcome: 'denied', status, ...originOf(request) });
  }

  /** Waits until everything that was appended is written, or known not to be. */
  async settle(): Promise<void> {
    await Promise.all(this.#writing);
  }
}

function originOf({ context }: Request): Origin {
  return { ip: context.ip, request_id: context.requestId };
}
