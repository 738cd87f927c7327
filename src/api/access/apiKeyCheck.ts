import { timingSafeEqual } from 'node:crypto';
import type { Connection } from 'mongoose';
import { type ApiKey, acceptedHashes, usability } from '../../domain/accounts/apiKey.ts';
import type { Caller } from '../../domain/accounts/caller.ts';
import { findApiKey, hashApiKey, noteApiKeyUse } from '../../models/apiKeys.ts';
import { RecentLookups } from '../../runtime/recentLookups.ts';
import type { Verdict } from './verdict.ts';

const MOST_REMEMBERED = 10_000;
const USE_NOTED_EVERY_MILLISECONDS = 60_000;

/** Checks API keys. A change of a key is noticed within a second. */
export class ApiKeyCheck {
  readonly #connection: Connection;
  readonly #keys: RecentLookups<ApiKey>;
  /** When this process last noted the use of a key. */
  readonly #noted = new Map<string, number>();

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#keys = new RecentLookups(MOST_REMEMBERED, (keyId) => findApiKey(connection, keyId));
  }

  /** @throws ServiceUnavailableError when MongoDB is away */
  check(keyId: string, text: string): Verdict | Promise<Verdict> {
    const found = this.#keys.find(keyId);
    return found instanceof Promise ? found.then((key) => this.#judge(key, text)) : this.#judge(found, text);
  }

  #judge(key: ApiKey | undefined, text: string): Verdict {
    const now = Date.now();
    if (!key || !holdsHash(acceptedHashes(key, now), hashApiKey(text))) return { kind: 'bad' };
    const caller: Caller = {
      kind: 'api-key',
      key_id: key.key_id,
      scopes: key.scopes,
      rate_limit_per_minute: key.rate_limit_per_minute,
    };
    const state = usability(key, now);
    if (state !== 'usable') return { kind: state, caller };
    this.#noteUse(key, now);
    return { kind: 'valid', caller };
  }

  /** Behind the request's back: nobody waits for it, and a use that could not be noted is noted with the next one. */
  #noteUse(key: ApiKey, now: number): void {
    const last = Math.max(key.last_used_at?.getTime() ?? 0, this.#noted.get(key.key_id) ?? 0);
    if (now - last < USE_NOTED_EVERY_MILLISECONDS) return;
    if (this.#noted.size >= MOST_REMEMBERED) this.#noted.clear();
    this.#noted.set(key.key_id, now);
    noteApiKeyUse(this.#connection, key.key_id, new Date(now)).catch(() => this.#noted.delete(key.key_id));
  }
}

function holdsHash(accepted: readonly string[], presented: string): boolean {
  const given = Buffer.from(presented);
  return accepted.some((hash) => timingSafeEqual(Buffer.from(hash), given));
}
