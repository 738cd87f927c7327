import type { WorkerEntry } from './workers.ts';

/** A name on the command line that is neither a queue nor a family. */
export class UnknownQueueError extends Error {
  override name = 'UnknownQueueError';
}

/**
 * The workers that the names ask for, all of them when there are no names.
 *
 * @param names - of queues or of families
 * @throws UnknownQueueError
 */
export function chooseWorkers(
  entries: readonly WorkerEntry[],
  names: readonly string[],
): readonly WorkerEntry[] {
  for (const name of names) {
    if (entries.some(({ queue }) => queue.name === name || queue.family === name)) continue;
    const known = [...new Set(entries.flatMap(({ queue }) => [queue.family, queue.name]))];
    throw new UnknownQueueError(
      `There is no queue or family named "${name}"; there are: ${known.join(', ')}`,
    );
  }
  if (names.length === 0) return entries;
  return entries.filter(({ queue }) => names.includes(queue.name) || names.includes(queue.family));
}
