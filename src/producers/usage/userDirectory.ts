import { LRUCache } from 'lru-cache';
import type { Connection } from 'mongoose';
import { LONGEST_USER_NAME, type User } from '../../domain/users/user.ts';
import { chooseUser } from '../../domain/users/userName.ts';
import { findUsersByName } from '../../models/users.ts';
import { Coalescer } from '../../runtime/coalescer.ts';

/** How long a change of a user may go unnoticed; `npm run users` waits this long before it calls a change done. */
export const USER_CHANGE_DELAY_MILLISECONDS = 1_000;

/** A user that is asked for beyond this age is looked up again meanwhile, so that nobody has to wait for it. */
const REFRESH_AGE_MILLISECONDS = USER_CHANGE_DELAY_MILLISECONDS / 2;
/** Users that come of age together share a query. */
const REFRESH_GATHERING_MILLISECONDS = 100;
const MOST_CACHED_USERS = 50_000;
const LARGEST_LOOKUP = 1_000;

/** Looks users up by name. Known ones are remembered for a moment; concurrent look-ups share one query. */
export class UserDirectory {
  readonly #known = new LRUCache<string, User>({
    max: MOST_CACHED_USERS,
    ttl: USER_CHANGE_DELAY_MILLISECONDS,
    // By default it sets a timer of a millisecond to look at the clock no more often, which costs more than to look.
    ttlResolution: 0,
  });
  readonly #aging = new Set<string>();
  readonly #lookup: Coalescer<string, { user: User | undefined }>;

  constructor(connection: Connection) {
    this.#lookup = new Coalescer(
      async (names) => {
        const candidates = await findUsersByName(connection, names);
        return names.map((name) => ({ user: chooseUser(name, candidates) }));
      },
      { largestWrite: LARGEST_LOOKUP, mostWaiting: MOST_CACHED_USERS, writesAtOnce: 1 },
    );
  }

  /** Whom the name means, at once when that is known. A user that is not there is never remembered. */
  find(userName: string): User | undefined | Promise<User | undefined> {
    const known = this.#known.get(userName);
    if (known === undefined) return this.#ask(userName);
    if (this.#known.getRemainingTTL(userName) < REFRESH_AGE_MILLISECONDS) this.#refresh(userName);
    return known;
  }

  #refresh(userName: string): void {
    if (this.#aging.size === 0)
      setTimeout(() => this.#refreshAging(), REFRESH_GATHERING_MILLISECONDS).unref();
    this.#aging.add(userName);
  }

  #refreshAging(): void {
    // Whoever finds nothing in the cache learns of an outage.
    for (const userName of this.#aging) this.#ask(userName).catch(() => undefined);
    this.#aging.clear();
  }

  async #ask(userName: string): Promise<User | undefined> {
    if (userName.length > LONGEST_USER_NAME) return undefined;
    // The moment counts from the question: the answer may be as old as that.
    const start = performance.now();
    const { user } = await this.#lookup.add(userName);
    if (user) this.#known.set(userName, user, { start });
    return user;
  }
}
