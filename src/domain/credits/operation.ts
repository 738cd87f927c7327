import type { LedgerCommand } from './ledger.ts';

/** What can be done to the ledger: what clients may ask for, and what the system does by itself. */
export type LedgerOperation =
  | LedgerCommand
  /** Books what has come to its end, grants and holds, of a user who is there. */
  | { readonly kind: 'settle'; readonly user_id: string }
  | { readonly kind: 'give-bonus'; readonly user_id: string; readonly amount: number }
  | {
      readonly kind: 'import-user';
      readonly user_id: string;
      readonly username: string;
      readonly email: string;
      readonly credits: number;
    };

/** Whose accounts it names. A capture, a release or a refund names a hold or a movement instead. */
export function usersNamedBy(operation: LedgerOperation): readonly string[] {
  switch (operation.kind) {
    case 'capture':
    case 'release':
    case 'refund':
      return [];
    case 'transfer':
      return [operation.from_user_id, operation.to_user_id];
    default:
      return [operation.user_id];
  }
}
