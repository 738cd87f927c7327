import type { AccountKind } from './account.ts';
import type { Scope } from './scopes.ts';

/** Who sent a request, once that is known. */
export type Caller =
  /** Holds the operator's key of the environment, which may do everything. */
  | { readonly kind: 'operator' }
  /** Holds the shared key of the credits contract from the environment. */
  | { readonly kind: 'shared-key' }
  | {
      readonly kind: 'api-key';
      readonly key_id: string;
      readonly scopes: readonly Scope[];
      /** The key's own limit, which stands in place of the configured ones. */
      readonly rate_limit_per_minute: number | null;
    }
  | {
      readonly kind: 'account';
      readonly account_id: string;
      readonly account_kind: AccountKind;
      readonly scopes: readonly Scope[];
      /** The user whose credits and projects are the account's own. */
      readonly credits_user_id: string | undefined;
      /** Whether its scopes for credits and projects are about everybody's. */
      readonly any_user: boolean;
    };

const SHARED_KEY_SCOPES: readonly Scope[] = [
  'credits:read',
  'credits:write',
  'workspace:read',
  'workspace:write',
];

export function mayUse(caller: Caller, scope: Scope): boolean {
  switch (caller.kind) {
    case 'operator':
      return true;
    case 'shared-key':
      return SHARED_KEY_SCOPES.includes(scope);
    case 'api-key':
    case 'account':
      return caller.scopes.includes(scope);
  }
}

/** A text that stands for the caller in rate limits, idempotency keys and the audit log. Never a secret. */
export function callerId(caller: Caller): string {
  switch (caller.kind) {
    case 'operator':
    case 'shared-key':
      return caller.kind;
    case 'api-key':
      return `api-key:${caller.key_id}`;
    case 'account':
      return `account:${caller.account_id}`;
  }
}
