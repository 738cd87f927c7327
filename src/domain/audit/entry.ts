/** What was done, such as `account.create`: what it was done to, and the verb. */
export type AuditAction = `${string}.${string}`;

/**
 * `done`; `denied`: who did it was not allowed to; `failed`: it was refused for another reason or broke;
 * `unknown`: the client went away before the answer.
 */
export const AUDIT_OUTCOMES = ['done', 'denied', 'failed', 'unknown'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** One line of the audit log. Nothing in it is secret. */
export interface AuditEntry {
  readonly at: Date;
  /** A `callerId`, or `board:<user name>`, or `command-line`. */
  readonly who: string;
  readonly action: AuditAction;
  /** What it was done to, by its id; of a change to many, how many. */
  readonly target: string | null;
  readonly outcome: AuditOutcome;
  /** Of the HTTP answer. */
  readonly status: number | null;
  readonly ip: string | null;
  readonly request_id: string | null;
}

const LONGEST_TARGET = 200;

/** A target of bounded length: it may come from a path that anybody wrote. */
export function auditTarget(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text.slice(0, LONGEST_TARGET);
}

export function outcomeOfStatus(status: number): AuditOutcome {
  if (status < 400) return 'done';
  return status === 401 || status === 403 ? 'denied' : 'failed';
}
