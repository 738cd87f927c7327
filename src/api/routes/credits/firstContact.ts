import type { Connection } from 'mongoose';
import type { Ledger } from '../../../models/ledger.ts';
import { findBalances } from '../../../models/ledgerReads.ts';

/** Credits of a new user: 50, and 10 of welcome. */
export const INITIAL_CREDITS = 60;

/** Lets a user that nobody has created begin, where the installation wants it so. */
export type FirstContact = (userId: string) => Promise<void>;

/**
 * Makes what runs before a user's credits or projects are looked at.
 *
 * @param creates - `CREDITS_AUTO_CREATE`: an unknown user is created at the first contact. Without it nothing is done
 */
export function createFirstContact(connection: Connection, ledger: Ledger, creates: boolean): FirstContact {
  if (!creates) return () => Promise.resolve();
  return async (user_id) => {
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
  };
}
