import { LRUCache } from 'lru-cache';
import type { Connection } from 'mongoose';
import type { Ledger } from '../../../models/ledger.ts';
import { findBalances } from '../../../models/ledgerReads.ts';

/** Credits of a new user: 50, and 10 of welcome. */
export const INITIAL_CREDITS = 60;

const MOST_REMEMBERED = 50_000;

/** Lets a user that nobody has created begin, where the installation wants it so. */
export type FirstContact = (userId: string) => Promise<void>;

/**
 * Makes what runs before a user's credits or projects are looked at.
 *
 * @param creates - `CREDITS_AUTO_CREATE`: an unknown user is created at the first contact. Without it nothing is done
 */
export function createFirstContact(connection: Connection, ledger: Ledger, creates: boolean): FirstContact {
  if (!creates) return () => Promise.resolve();
  // Users are never deleted, so one that was there once need not be looked for again.
  const met = new LRUCache<string, Promise<void>>({ max: MOST_REMEMBERED });
  return (user_id) => {
    const before = met.get(user_id);
    if (before) return before;
    const meeting = meet(connection, ledger, user_id);
    met.set(user_id, meeting);
    meeting.catch(() => met.delete(user_id));
    return meeting;
  };
}

async function meet(connection: Connection, ledger: Ledger, user_id: string): Promise<void> {
  const [known] = await findBalances(connection, [user_id]);
  if (known) return;
  await ledger.execute({
    kind: 'create-user',
    user_id,
    username: user_id,
    email: '',
    initial_credits: INITIAL_CREDITS,
    // Somebody else may have created the user meanwhile, with the real names.
    keeps_known: true,
  });
}
