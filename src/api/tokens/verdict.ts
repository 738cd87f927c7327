import type { AccountKind } from '../../domain/accounts/account.ts';

/** Clocks of several machines differ a little. */
export const CLOCK_TOLERANCE_SECONDS = 5;

/** Whom a good token is for. Whether there is such an account now is another question: see `findTokenAccount`. */
export type TokenClaims =
  | {
      readonly issuer: 'own';
      readonly account_id: string;
      readonly account_kind: AccountKind;
      readonly token_version: number;
    }
  /** Of the outside issuer, which has seen that the address is the bearer's. */
  | { readonly issuer: 'outside'; readonly email: string };

export type TokenVerdict =
  | { readonly kind: 'valid'; readonly claims: TokenClaims }
  /** It was good once. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'invalid' };
