/**
 * A process that asks a rate lane for as much as it gets, on the time that its parent gives it:
 * `node rateLaneWorker.ts <redis url> <prefix> <limits> <bounds> <seed>`, limits and bounds as JSON.
 */
import { Redis } from 'ioredis';
import { RateLane } from '../../src/platforms/images/rateLane.ts';
import { seededRandom } from './seededRandom.ts';

const [url = '', prefix = '', limits = '{}', bounds = '[]', seed = ''] = process.argv.slice(2);

/** Requests of this process that run, or wait, at a time. */
const SLOTS = 4;
const SPREAD_MILLISECONDS = 250;

interface Slot {
  next: number;
  running: { readonly id: string; readonly tokens: number } | undefined;
}

/** What was reserved, and what it turned out to use. Times are milliseconds of the parent's clock. */
export interface Granted {
  readonly at: number;
  readonly tokens: number;
}

let now = 0;
const random = seededRandom(Number(seed));
const redis = new Redis(url, { lazyConnect: true });
const lane = new RateLane(redis, prefix, 'model', JSON.parse(limits), () => now);
const [least = 0, most = 0]: readonly number[] = JSON.parse(bounds);
const slots = Array.from({ length: SLOTS }, (): Slot => ({ next: 0, running: undefined }));

process.on('message', async (time) => {
  now = Number(time);
  const granted = (await Promise.all(slots.map(advance))).flat();
  process.send?.(granted);
});
process.on('disconnect', () => process.exit(0));
await redis.connect();
process.send?.([]);

async function advance(slot: Slot): Promise<Granted[]> {
  if (slot.next > now) return [];
  if (slot.running) await lane.settle(slot.running.id, slot.running.tokens);
  slot.running = undefined;
  const bound = between(least, most);
  const reservation = await lane.reserve({ tokens: bound });
  if (reservation.kind !== 'reserved') {
    slot.next =
      reservation.kind === 'wait' ? now + reservation.milliseconds + between(0, SPREAD_MILLISECONDS) : 0;
    return [];
  }
  const tokens = Math.round(bound * (0.6 + 0.4 * random()));
  slot.running = { id: reservation.id, tokens };
  slot.next = now + between(2_000, 12_000);
  return [{ at: now, tokens }];
}

function between(from: number, to: number): number {
  return Math.round(from + (to - from) * random());
}
