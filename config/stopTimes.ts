import type { Environment } from './env.ts';

/** What follows a paid call, at most: its image is verified and stored. */
export const STORING_SECONDS = 60;

/** Kept back from the drain, so that what it aborts can still be left to others and the connections closed in order. */
const CLOSING_SECONDS = 3;

/** How long a worker process may take to stop, in seconds. */
export interface StopTimes {
  /** For the jobs that run. */
  readonly drain: number;
  /** For those that must not be cut off: longer only where a call may be paid. */
  readonly longestDrain: number;
  /** In all, before the process ends as it is. */
  readonly limit: number;
}

type StopVariables = Pick<Environment, 'DRAIN_TIMEOUT_SECONDS' | 'OPENAI_API_KEY' | 'OPENAI_TIMEOUT_SECONDS'>;

/**
 * A call that is cut off is paid for nothing and made once more, so a stop waits for it, whatever DRAIN_TIMEOUT_SECONDS says.
 *
 * @param makesIcons - whether the process has workers that call the provider of the icons
 */
export function stopTimes(environment: StopVariables, makesIcons: boolean): StopTimes {
  const { DRAIN_TIMEOUT_SECONDS: limit, OPENAI_API_KEY: key, OPENAI_TIMEOUT_SECONDS: call } = environment;
  const drain = Math.max(limit - CLOSING_SECONDS, limit / 2);
  if (!makesIcons || key === undefined) return { drain, longestDrain: drain, limit };
  const longestDrain = Math.max(drain, call + STORING_SECONDS);
  return { drain, longestDrain, limit: Math.max(limit, longestDrain + CLOSING_SECONDS) };
}
