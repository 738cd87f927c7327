import { z } from 'zod';
import {
  ACCOUNT_KINDS,
  ACCOUNT_STATUSES,
  type Account,
  PERSON_ROLES,
} from '../../../domain/accounts/account.ts';

export const AccountView = z
  .object({
    id: z.string(),
    kind: z.enum(ACCOUNT_KINDS),
    roles: z.array(z.enum(PERSON_ROLES)),
    status: z.enum(ACCOUNT_STATUSES),
    email: z.string().nullable(),
    username: z.string().nullable(),
    first_name: z.string().nullable(),
    last_name: z.string().nullable(),
    company_name: z.string().nullable(),
    usage_user_id: z.int().nullable().meta({ description: 'The user whose usage is counted' }),
    credits_user_id: z.string().nullable().meta({ description: 'The user whose credits are spent' }),
    store_id: z.string().nullable().meta({ description: 'The store of an edge' }),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Account' });

/** An account as it is shown, also to its owner. */
export function accountView(account: Account): z.infer<typeof AccountView> {
  return {
    id: account.account_id,
    kind: account.kind,
    roles: [...account.roles],
    status: account.status,
    email: account.email ?? null,
    username: account.username ?? null,
    first_name: account.first_name ?? null,
    last_name: account.last_name ?? null,
    company_name: account.company_name ?? null,
    usage_user_id: account.usage_user_id ?? null,
    credits_user_id: account.credits_user_id ?? null,
    store_id: account.store_id ?? null,
    created_at: account.created_at.toISOString(),
    updated_at: account.updated_at.toISOString(),
  };
}
