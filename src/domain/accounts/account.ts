import type { Scope } from './scopes.ts';

/** A person, a client company, an edge store's server, or who runs it all. */
export const ACCOUNT_KINDS = ['person', 'company', 'edge', 'superadmin'] as const;
export type AccountKind = (typeof ACCOUNT_KINDS)[number];

/** Of a person. */
export const PERSON_ROLES = ['admin', 'seller', 'member'] as const;
export type PersonRole = (typeof PERSON_ROLES)[number];

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

/** What an account may do, by its kind and, for a person, its roles. */
export function scopesOf(kind: AccountKind, roles: readonly PersonRole[]): readonly Scope[] {
  if (kind !== 'person') return KIND_SCOPES[kind];
  return [...new Set(roles.flatMap((role) => PERSON_SCOPES[role]))];
}
