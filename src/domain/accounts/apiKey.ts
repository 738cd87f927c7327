import type { Scope } from './scopes.ts';

export const API_KEY_STATUSES = ['active', 'revoked'] as const;
export type ApiKeyStatus = (typeof API_KEY_STATUSES)[number];

/** The statuses that may follow. Revoking is for ever. */
export const NEXT_API_KEY_STATUSES: Readonly<Record<ApiKeyStatus, readonly ApiKeyStatus[]>> = {
  active: ['revoked'],
  revoked: [],
};

/** A key before a rotation: accepted until then. */
export interface PreviousKey {
  readonly hash: string;
  readonly until: Date;
}

/** What is known about an API key. The key itself is known to its holder only. */
export interface ApiKey {
  /** Public: names the key in lists, in the log and within the key. */
  readonly key_id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly status: ApiKeyStatus;
  /** SHA-256 of the whole key, in hex. */
  readonly hash: string;
  /** The newest first. */
  readonly previous: readonly PreviousKey[];
  readonly expires_at: Date | null;
  /** Requests a minute, in place of the limits of the configuration; a batch counts by its events. */
  readonly rate_limit_per_minute: number | null;
  readonly created_by: string;
  readonly created_at: Date;
  readonly rotated_at: Date | null;
  readonly revoked_at: Date | null;
  /** Exact to a minute. */
  readonly last_used_at: Date | null;
}

/** What a new key is to be. */
export type NewApiKey = Pick<
  ApiKey,
  'name' | 'scopes' | 'expires_at' | 'rate_limit_per_minute' | 'created_by'
>;

export const LONGEST_API_KEY_NAME = 100;
/** How long a rotated key goes on working unless told otherwise: one day. */
export const ROTATION_GRACE_SECONDS = 86_400;
/** Keys from before rotations that are accepted at a time. */
export const MOST_PREVIOUS_KEYS = 10;
export const LONGEST_ROTATION_GRACE_SECONDS = 30 * 86_400;
export const HIGHEST_RATE_LIMIT = 100_000_000;

/** `mrk_<id>_<secret>`; the secret is 32 random bytes in base64url. */
const FORMAT = /^mrk_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

export function writeApiKey(keyId: string, secret: string): string {
  return `mrk_${keyId}_${secret}`;
}

/** The id that a text names when it is written like an API key. */
export function apiKeyIdIn(text: string): string | undefined {
  return FORMAT.exec(text)?.[1];
}

/** Whether a key may be used, by what is stored of it apart from its hash. */
export function usability(key: ApiKey, now: number): 'usable' | 'revoked' | 'expired' {
  if (key.status === 'revoked') return 'revoked';
  return key.expires_at !== null && key.expires_at.getTime() <= now ? 'expired' : 'usable';
}

/** The hashes that are accepted now. */
export function acceptedHashes(key: ApiKey, now: number): readonly string[] {
  return [key.hash, ...stillAccepted(key.previous, now).map(({ hash }) => hash)];
}

/**
 * What is accepted beside the next key after a rotation: the key until now for the grace, and every one before until the
 * end that was promised. Without a grace all of them end: whoever gives none has no use for any of them.
 *
 * @returns undefined when they would be too many
 */
export function previousAfterRotation(
  key: ApiKey,
  graceSeconds: number,
  now: number,
): readonly PreviousKey[] | undefined {
  const replaced = { hash: key.hash, until: new Date(now + graceSeconds * 1_000) };
  if (graceSeconds === 0) return [replaced];
  const all = [replaced, ...stillAccepted(key.previous, now)];
  return all.length > MOST_PREVIOUS_KEYS ? undefined : all;
}

function stillAccepted(previous: readonly PreviousKey[], now: number): readonly PreviousKey[] {
  return previous.filter(({ until }) => until.getTime() > now);
}
