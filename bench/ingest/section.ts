import type { Report } from '../report/report.ts';
import type { Stage } from '../stage/stage.ts';

/** How long and how often things are measured. */
export interface Pace {
  readonly rounds: number;
  /** Of what is measured in a closed loop: short and many, because the machine's speed may change from one to the next. */
  readonly closedLoopRounds: number;
  /** Of one closed-loop measurement. */
  readonly seconds: number;
  /** Events of one batch or raw queue measurement. */
  readonly batchEvents: number;
  /** Of one drain, about: a first short one tells how many events that takes. */
  readonly drainSeconds: number;
  /** Of the watch over the backlog. */
  readonly backlogSeconds: number;
  /** Of latencies: short and many, because a single wait for the disk may be the p99 of a round. */
  readonly latencyRounds: number;
  /** Of one measurement of latencies. */
  readonly latencySeconds: number;
}

/** What a part of the benchmark works with. */
export interface Section {
  readonly stage: Stage;
  readonly report: Report;
  readonly pace: Pace;
}

export const FULL_PACE: Pace = {
  rounds: 3,
  closedLoopRounds: 9,
  seconds: 2,
  batchEvents: 60_000,
  drainSeconds: 3,
  backlogSeconds: 15,
  latencyRounds: 9,
  latencySeconds: 2.5,
};

/** For a first look: the figures are noisy. */
export const QUICK_PACE: Pace = {
  rounds: 1,
  closedLoopRounds: 3,
  seconds: 1,
  batchEvents: 30_000,
  drainSeconds: 1.5,
  backlogSeconds: 6,
  latencyRounds: 3,
  latencySeconds: 2.5,
};

/** Connections of a single-report load: the clients that are served at the same time. */
export const CONNECTIONS = 64;
