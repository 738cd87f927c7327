import type { Redis } from 'ioredis';

/** Hears whose balance has changed, in whatever process it was. */
export type BalanceListener = (userIds: readonly string[]) => void;

/** The channel on which changed balances are told. Only ids travel: who needs the balance reads it. */
export function balanceChannel(prefix: string): string {
  return `{${prefix}:credits}:balances`;
}

/**
 * Tells every process whose balance has changed, after the change is committed. Nobody waits for it, and it may get
 * lost while Redis is away: listeners look again from time to time.
 */
export function publishBalances(redis: Redis, prefix: string, userIds: readonly string[]): void {
  if (userIds.length === 0) return;
  redis.publish(balanceChannel(prefix), JSON.stringify(userIds)).catch(() => undefined);
}

/**
 * Listens for changed balances, and listens again after every loss of the connection.
 *
 * @param redis - a connection of its own: it can do nothing else while it listens
 * @param onListening - each time that it listens from now on: what changed before may have been missed
 */
export function listenForBalances(
  redis: Redis,
  prefix: string,
  listener: BalanceListener,
  onListening: () => void,
): void {
  const channel = balanceChannel(prefix);
  redis.on('message', (from, message) => {
    if (from === channel) listener(readUserIds(message));
  });
  // Redis answers in order, so behind this subscription the one that the client repeats by itself is in force too.
  redis.on('ready', () => redis.subscribe(channel).then(onListening, () => undefined));
}

/** A message that is no list of ids is none of ours. */
function readUserIds(message: string): readonly string[] {
  try {
    const ids: unknown = JSON.parse(message);
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  } catch {
    return [];
  }
}
