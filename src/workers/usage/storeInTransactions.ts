import type { UsageEvent } from '../../domain/usage/report.ts';
import { isOutage } from '../../runtime/outage.ts';

/** What became of one job's events. */
export type Stored = { readonly kind: 'stored' } | { readonly kind: 'failed'; readonly error: unknown };

/** The events of one job. */
type Events = readonly UsageEvent[];
/** Stores events in one transaction. */
type Store = (events: Events) => Promise<unknown>;

/** Most events of one transaction: beyond it a bigger one gains little, and one that collides with another loses more. */
const LARGEST_TRANSACTION = 3_200;

const STORED: Stored = { kind: 'stored' };

/**
 * Stores the events of many jobs in few transactions, one after the other; those of one job stay together.
 *
 * @returns what became of each job, in order
 */
export function storeInTransactions(jobs: readonly Events[], store: Store): Promise<Stored[]> {
  return storeInTurn(cutIntoTransactions(jobs), store);
}

function cutIntoTransactions(jobs: readonly Events[]): Events[][] {
  const transactions: Events[][] = [];
  let room = 0;
  for (const events of jobs) {
    if (room < events.length) {
      transactions.push([]);
      room = LARGEST_TRANSACTION;
    }
    transactions.at(-1)?.push(events);
    room -= events.length;
  }
  return transactions;
}

/** An outage fails what has not begun as well: it would only wait for the same once more. */
async function storeInTurn(transactions: readonly (readonly Events[])[], store: Store): Promise<Stored[]> {
  const outcomes: Stored[] = [];
  let outage: Stored | undefined;
  for (const jobs of transactions) {
    const ended = outage ? Array<Stored>(jobs.length).fill(outage) : await storeTogether(jobs, store);
    outage = ended.find((end) => end.kind === 'failed' && isOutage(end.error));
    outcomes.push(...ended);
  }
  return outcomes;
}

/** A job that cannot be stored must not take the ones along that only shared its transaction. */
async function storeTogether(jobs: readonly Events[], store: Store): Promise<Stored[]> {
  try {
    await store(jobs.flat());
    return jobs.map(() => STORED);
  } catch (error) {
    if (jobs.length === 1 || isOutage(error)) return jobs.map(() => ({ kind: 'failed', error }));
  }
  return storeInTurn(
    jobs.map((events) => [events]),
    store,
  );
}
