import type { Caller } from '../../domain/accounts/caller.ts';

/** Why a request may not go on. */
export type Denial =
  | { readonly kind: 'missing' }
  /** Credentials of a scheme that is not known here. */
  | { readonly kind: 'other-scheme' }
  /** Unknown, forged, malformed, or its account is gone. */
  | { readonly kind: 'bad' }
  /** It was good once; `caller` when it is certain whose it was. */
  | { readonly kind: 'expired' | 'revoked'; readonly caller?: Caller }
  /** The credential is good but does not hold the route's scope. */
  | { readonly kind: 'lacking'; readonly caller: Caller }
  /** The account may ask for its own credits and projects only. */
  | { readonly kind: 'others-user'; readonly caller: Caller };

/** What became of one credential. */
export type Verdict = { readonly kind: 'valid'; readonly caller: Caller } | Denial;
