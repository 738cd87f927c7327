import type { Measurement, Report } from './report.ts';

/** Something that is measured once in each round. */
export interface Subject {
  readonly measurement: Measurement;
  readonly run: () => Promise<number>;
}

/** Measures A B C, A B C, … so that whatever else the machine does meanwhile hits all alike. */
export async function roundRobin(
  report: Report,
  rounds: number,
  subjects: readonly Subject[],
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const { measurement, run } of subjects) report.add(measurement, await run());
  }
}

const WARM_UP_ROUNDS = 8;

/** Runs everything unmeasured until the compiler has done its work: a larger server takes longer to get there. */
export async function warmUp(subjects: readonly Subject[]): Promise<void> {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    for (const { run } of subjects) await run();
  }
}
