import type { Connection } from 'mongoose';
import type { Ledger } from '../../../models/ledger.ts';
import type { LedgerChange } from '../../../models/ledgerBook.ts';
import type { FirstContact } from './firstContact.ts';
import type { LiveBalances } from './liveBalances.ts';

/** What the credits routes work with. */
export interface CreditsRouteDependencies {
  readonly ledger: Ledger;
  /** Tells what was changed past the ledger's own queue of commands. */
  readonly onLedgerChange: (change: LedgerChange) => void;
  readonly connection: Connection;
  readonly liveBalances: LiveBalances;
  readonly firstContact: FirstContact;
  /** What `give-bonus-credits` asks for; without it nobody may give them. */
  readonly bonusKey: string | undefined;
}
