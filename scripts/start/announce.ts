import { setTimeout as wait } from 'node:timers/promises';
import { readyBanner } from './banner.ts';
import type { Demo } from './demo.ts';
import type { Output } from './output.ts';

const CHECK_EVERY_MS = 400;
const ANSWER_LIMIT_MS = 3_000;
const LONG_START_MS = 30_000;

export interface Announcement {
  demo: Demo;
  folderName: string;
  /** `performance.now()` at the start. */
  startedAt: number;
  output: Output;
  signal: AbortSignal;
}

/**
 * Waits until the system answers that it is ready, then prints the banner; says so when that takes long.
 *
 * @returns false when the system was stopped before
 */
export async function announceWhenReady(options: Announcement): Promise<boolean> {
  const { demo, folderName, startedAt, output, signal } = options;
  let told = false;
  while (!signal.aborted) {
    if (await isReady(demo.base_url, signal)) {
      output.say(readyBanner(demo, folderName, (performance.now() - startedAt) / 1000));
      return true;
    }
    if (!told && performance.now() - startedAt > LONG_START_MS) {
      output.say(`Not ready yet; ${demo.base_url}/readyz and the lines above say why. Still trying.`);
      told = true;
    }
    await wait(CHECK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
  return false;
}

async function isReady(baseUrl: string, signal: AbortSignal): Promise<boolean> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
    return (await fetch(`${baseUrl}/readyz`, { signal: limit })).ok;
  } catch {
    return false;
  }
}
