/**
 * The vocabulary of the credits ledger. Credits are whole numbers. A movement is a set of entries that sum to zero;
 * movements are never changed or deleted, and a balance is the sum of an account's entries.
 */

/**
 * Where credits can be. `user` is what a user can spend, `held` what is set aside by that user's holds, `app` what an app
 * has earned. `issuance` is the only account that may be negative: what was ever given out. `expired` took what lapsed.
 */
export type LedgerAccount = `user:${string}` | `held:${string}` | `app:${string}` | 'issuance' | 'expired';

export interface LedgerEntry {
  readonly account: LedgerAccount;
  /** Whole credits: positive into the account, negative out of it. */
  readonly amount: number;
  /** Of a `user:` or `held:` account: what it has after this movement. */
  readonly balance_after?: number | undefined;
}

export const MOVEMENT_KINDS = [
  'opening',
  'bonus',
  'addition',
  'deduction',
  'hold',
  'capture',
  'release',
  'refund',
  'transfer',
  'expiry',
] as const;
export type MovementKind = (typeof MOVEMENT_KINDS)[number];

export interface Movement {
  /** Ascending in the order of a user's movements, and in the order of `at`. */
  readonly movement_id: string;
  readonly kind: MovementKind;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  /** They sum to zero. */
  readonly entries: readonly LedgerEntry[];
  /** After it, of every user that it touched, the paying one first; also where only what is held has changed. */
  readonly balances: readonly Balance[];
  /** As the contract lists it: `used`, `purchased`, `purchase`, `bonus`, `adjustment`, …; as sent where a client chose it. */
  readonly transaction_type: string;
  readonly app_name: string;
  readonly description: string;
  readonly project_code: string | null;
  readonly hold_id?: string | undefined;
  /** The movement that a refund takes back. */
  readonly refunds?: string | undefined;
  /** When what was added lapses; of an `expiry`, when it lapsed. */
  readonly expires_at?: number | undefined;
  /** The part of what moved that has an end, in credits of the grants they came with. */
  readonly granted?: readonly GrantPart[] | undefined;
}

/** Credits of a grant with an end. */
export interface GrantPart {
  /** The movement that the credits came with. */
  readonly movement_id: string;
  readonly expires_at: number;
  /** From 1 up. */
  readonly amount: number;
}

/** What a client sees of a user's credits. */
export interface Balance {
  readonly user_id: string;
  readonly available: number;
  readonly held: number;
  /** How many movements have touched the user. Only grows. */
  readonly version: number;
}

/** Status changes of a hold go through `HOLD_TRANSITIONS` (holds.ts) only. */
export const HOLD_STATUSES = ['open', 'captured', 'released', 'expired'] as const;
export type HoldStatus = (typeof HOLD_STATUSES)[number];

export interface Hold {
  readonly hold_id: string;
  readonly user_id: string;
  readonly amount: number;
  readonly captured: number;
  readonly status: HoldStatus;
  readonly app_name: string;
  readonly description: string;
  readonly created_at: number;
  readonly expires_at: number;
}

/** One thing to do to the ledger, all of it or nothing. */
export type LedgerCommand =
  | {
      readonly kind: 'create-user';
      readonly user_id: string;
      readonly username: string;
      readonly email: string;
      readonly initial_credits: number;
      /** Leaves the names of a user who is there already as they are. */
      readonly keeps_known?: boolean | undefined;
    }
  | {
      readonly kind: 'deduct';
      readonly user_id: string;
      readonly amount: number;
      readonly app_name: string;
      readonly description: string;
      readonly project_code: string | null;
    }
  | {
      readonly kind: 'add';
      readonly user_id: string;
      readonly amount: number;
      readonly app_name: string;
      readonly transaction_type: string;
      readonly description: string;
      readonly expires_at?: number | undefined;
    }
  | {
      readonly kind: 'hold';
      readonly hold_id: string;
      readonly user_id: string;
      readonly amount: number;
      readonly app_name: string;
      readonly description: string;
      readonly expires_at: number;
    }
  | {
      readonly kind: 'capture';
      readonly hold_id: string;
      /** All that is left of the hold unless given. */
      readonly amount?: number | undefined;
      /** Gives back what is left of the hold afterwards. */
      readonly final: boolean;
      readonly description?: string | undefined;
      readonly project_code: string | null;
    }
  | { readonly kind: 'release'; readonly hold_id: string }
  /** Of a deduction or a capture, whole, once. */
  | { readonly kind: 'refund'; readonly movement_id: string; readonly description: string }
  | {
      readonly kind: 'transfer';
      readonly from_user_id: string;
      readonly to_user_id: string;
      readonly amount: number;
      readonly app_name: string;
      readonly description: string;
    }
  /** Below it a `credits.low` event is due; null for none. */
  | { readonly kind: 'set-threshold'; readonly user_id: string; readonly threshold: number | null };

export type LedgerRefusal =
  | 'unknown-user'
  | 'insufficient-credits'
  | 'unknown-hold'
  | 'hold-not-open'
  | 'more-than-held'
  | 'unknown-movement'
  | 'not-refundable'
  | 'already-refunded'
  | 'same-user'
  | 'already-expired'
  | 'too-many-grants'
  | 'balance-too-large';

export type LedgerOutcome =
  | {
      readonly kind: 'done';
      /** What the command itself moved: none for a user that was there before. */
      readonly movements: readonly Movement[];
      /** After it, of every user that it touched, the paying one first. */
      readonly balances: readonly Balance[];
      readonly hold?: Hold | undefined;
    }
  | {
      readonly kind: 'refused';
      readonly reason: LedgerRefusal;
      /** Of a transfer: which of the two users stands against it. */
      readonly user_id?: string | undefined;
      /** As it is, when it is the hold that stands against it. */
      readonly hold?: Hold | undefined;
      /** Of what was refunded before: the movement that did. */
      readonly refunded_by?: string | undefined;
    };
