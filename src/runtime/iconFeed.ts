import type { Redis } from 'ioredis';
import { z } from 'zod';

const iconSignal = z.union([
  /** A batch has events up to that number. */
  z.object({ batch_id: z.string(), owner: z.string(), seq: z.int() }),
  /** An image that somebody waits for is final. */
  z.object({ image_id: z.string() }),
]);

/** What processes tell each other about icons. Only ids travel: who needs the state reads it in MongoDB. */
export type IconSignal = z.infer<typeof iconSignal>;

function iconChannel(prefix: string): string {
  return `{${prefix}:icons}:signals`;
}

/** Tells every process, after the commit. It may get lost while Redis is away: listeners look again from time to time. */
export function publishIconSignal(redis: Redis, prefix: string, signal: IconSignal): void {
  redis.publish(iconChannel(prefix), JSON.stringify(signal)).catch(() => undefined);
}

/**
 * Listens for signals, and listens again after every loss of the connection.
 *
 * @param redis - a connection of its own: it can do nothing else while it listens
 * @param onListening - each time that it listens from now on: what was told before may have been missed
 */
export function listenForIconSignals(
  redis: Redis,
  prefix: string,
  listener: (signal: IconSignal) => void,
  onListening: () => void,
): void {
  const channel = iconChannel(prefix);
  redis.on('message', (from, message) => {
    const signal = from === channel ? readSignal(message) : undefined;
    if (signal) listener(signal);
  });
  // Redis answers in order, so behind this subscription the one that the client repeats by itself is in force too.
  redis.on('ready', () => redis.subscribe(channel).then(onListening, () => undefined));
}

/** A message of another shape is none of ours. */
function readSignal(message: string): IconSignal | undefined {
  try {
    return iconSignal.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined;
  }
}
