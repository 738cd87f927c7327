import { LRUCache } from 'lru-cache';

/** How long a change of what was looked up may go unnoticed. */
export const LOOKUP_DELAY_MILLISECONDS = 1_000;

/** What is asked for beyond this age is looked up again meanwhile, so that nobody has to wait for it. */
const REFRESH_AGE_MILLISECONDS = LOOKUP_DELAY_MILLISECONDS / 2;

/**
 * Remembers for a second what was found in a store, and lets those who ask for the same at the same time share one look.
 * What is not there is never remembered.
 */
export class RecentLookups<Found extends object> {
  readonly #known: LRUCache<string, Found>;
  readonly #asking = new Map<string, Promise<Found | undefined>>();
  readonly #lookUp: (key: string) => Promise<Found | undefined>;

  /** @param most - how much is remembered; the rest is looked up each time */
  constructor(most: number, lookUp: (key: string) => Promise<Found | undefined>) {
    this.#known = new LRUCache({
      max: most,
      ttl: LOOKUP_DELAY_MILLISECONDS,
      // By default it sets a timer of a millisecond to look at the clock no more often, which costs more than to look.
      ttlResolution: 0,
    });
    this.#lookUp = lookUp;
  }

  /** What the key stands for, at once when that is known. */
  find(key: string): Found | undefined | Promise<Found | undefined> {
    const known = this.#known.get(key);
    if (known === undefined) return this.#ask(key);
    // Whoever finds nothing in the cache learns of an outage.
    if (this.#known.getRemainingTTL(key) < REFRESH_AGE_MILLISECONDS) this.#ask(key).catch(() => undefined);
    return known;
  }

  #ask(key: string): Promise<Found | undefined> {
    const asked = this.#asking.get(key);
    if (asked) return asked;
    const asking = this.#askStore(key).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #askStore(key: string): Promise<Found | undefined> {
    // The second counts from the question: the answer may be as old as that.
    const start = performance.now();
    const found = await this.#lookUp(key);
    if (found === undefined) this.#known.delete(key);
    else this.#known.set(key, found, { start });
    return found;
  }
}
