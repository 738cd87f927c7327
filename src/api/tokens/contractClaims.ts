import type { Account } from '../../domain/accounts/account.ts';

/** The claims by which the published contracts name the bearer. */
export function contractClaims(account: Account): Readonly<Record<string, string | undefined>> {
  const { account_id: id, kind, email, username } = account;
  switch (kind) {
    case 'superadmin':
      return { admin_id: id, username, role: 'superadmin' };
    case 'company':
      return { client_id: id, email };
    case 'edge':
      return { user_id: id, token_type: 'access' };
    case 'person':
      return { email };
  }
}
