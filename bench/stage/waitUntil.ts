import { setTimeout as wait } from 'node:timers/promises';

const CHECK_MILLISECONDS = 10;

/** Resolves once the condition holds. Throws when it does not within the time. */
export async function waitUntil(
  what: string,
  seconds: number,
  holds: () => Promise<boolean> | boolean,
): Promise<void> {
  const deadline = performance.now() + seconds * 1_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${seconds} s in vain until ${what}`);
    await wait(CHECK_MILLISECONDS);
  }
}
