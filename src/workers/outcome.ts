/**
 * How a run of a job may end. A handler returns one of these; anything it throws means "try again later".
 * Only `startWorker` knows what BullMQ makes of them.
 */
export type Outcome =
  | { readonly kind: 'done'; readonly result?: JsonValue }
  /** Not now, and not the job's fault: it comes back at `at` (milliseconds) and has burnt no attempt. */
  | { readonly kind: 'postponed'; readonly at: number; readonly reason: string }
  /** The outside asks for less: the whole queue rests for that long, the job comes back and has burnt no attempt. */
  | { readonly kind: 'throttled'; readonly milliseconds: number }
  /** Somebody took the job back. It is over, and nothing went wrong. */
  | { readonly kind: 'cancelled'; readonly reason: string }
  /** Trying again cannot help. The job is kept as a dead letter with this reason. */
  | { readonly kind: 'dead'; readonly reason: string };

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export const done: Outcome = { kind: 'done' };
