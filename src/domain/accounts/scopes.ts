/** What a caller may do. A route names the one it needs; API keys hold some, accounts get theirs by role. */
export const SCOPES = [
  /** Report usage, where the usage endpoints are closed. */
  'usage:report',
  'usage:read',
  /** Batches and voids. */
  'usage:write',
  'credits:read',
  'credits:write',
  'workspace:read',
  'workspace:write',
  'icons',
  'commerce',
  'photos',
  'webhooks',
  /** Jobs and metrics. */
  'operations',
  /** Accounts, API keys, the audit log. */
  'administration',
] as const;

export type Scope = (typeof SCOPES)[number];
