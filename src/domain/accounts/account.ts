import type { Scope } from './scopes.ts';

/** A person, a client company, an edge store's server, or who runs it all. */
export const ACCOUNT_KINDS = ['person', 'company', 'edge', 'superadmin'] as const;
export type AccountKind = (typeof ACCOUNT_KINDS)[number];

/** Of a person. */
export const PERSON_ROLES = ['admin', 'seller', 'member'] as const;
export type PersonRole = (typeof PERSON_ROLES)[number];

export const ACCOUNT_STATUSES = ['active', 'disabled'] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];

/** Whom an account belongs to, and who they are in the other domains. What is not known is left out. */
export interface AccountDetails {
  readonly kind: AccountKind;
  /** Of a person; nobody else has any. */
  readonly roles: readonly PersonRole[];
  /** Persons and companies log in with it. No two accounts have the same, ignoring case. */
  readonly email?: string;
  /** Edges and superadmins log in with it. No two accounts have the same, ignoring case. */
  readonly username?: string;
  readonly first_name?: string;
  readonly last_name?: string;
  readonly company_name?: string;
  /** The user whose usage is counted. */
  readonly usage_user_id?: number;
  /** The user whose credits are spent. */
  readonly credits_user_id?: string;
  /** The store that an edge belongs to. */
  readonly store_id?: string;
}

export interface Account extends AccountDetails {
  readonly account_id: string;
  readonly status: AccountStatus;
  /** Raised to end every login at once: tokens that name another version are worth nothing. */
  readonly token_version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const PERSON_SCOPES: Record<PersonRole, readonly Scope[]> = {
  admin: [
    'usage:read',
    'usage:write',
    'credits:read',
    'workspace:read',
    'workspace:write',
    'icons',
    'operations',
  ],
  seller: ['usage:read', 'usage:report', 'credits:read', 'workspace:read', 'workspace:write', 'icons'],
  member: ['credits:read', 'workspace:read', 'workspace:write', 'icons'],
};

const KIND_SCOPES: Record<Exclude<AccountKind, 'person'>, readonly Scope[]> = {
  company: ['commerce'],
  edge: ['photos'],
  superadmin: [
    'commerce',
    'photos',
    'webhooks',
    'operations',
    'administration',
    'credits:read',
    'usage:read',
  ],
};

/** Seconds that an access token of each kind of account lives. */
export const ACCESS_TOKEN_SECONDS: Record<AccountKind, number> = {
  person: 3_600,
  company: 8 * 3_600,
  superadmin: 8 * 3_600,
  edge: 3_600,
};

const DAY_SECONDS = 24 * 3_600;

/** Seconds for which a login can be continued without the password; each continuation counts from its own start. */
export const REFRESH_TOKEN_SECONDS: Record<AccountKind, number> = {
  person: 30 * DAY_SECONDS,
  company: 30 * DAY_SECONDS,
  superadmin: 30 * DAY_SECONDS,
  edge: DAY_SECONDS,
};

/** What an account may do, by its kind and, for a person, its roles. */
export function scopesOf(kind: AccountKind, roles: readonly PersonRole[]): readonly Scope[] {
  if (kind !== 'person') return KIND_SCOPES[kind];
  return [...new Set(roles.flatMap((role) => PERSON_SCOPES[role]))];
}
