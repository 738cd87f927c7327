import type { Logger } from 'pino';
import { type Caller, callerId } from '../../../domain/accounts/caller.ts';
import type { Balance } from '../../../domain/credits/ledger.ts';
import { ServiceUnavailableError } from '../../../runtime/outage.ts';

/** Gets a user's balance whenever it may have changed. */
export interface BalanceWatcher {
  readonly user_id: string;
  /** Who watches. */
  readonly watched_by: Caller;
  readonly show: (balance: Balance) => void;
  /** No more balances will come: the process ends. */
  readonly end: () => void;
}

export interface LiveBalancesOptions {
  /** The balances of these users in one snapshot. */
  readonly read: (userIds: readonly string[]) => Promise<readonly Balance[]>;
  /** Watchers of one process. */
  readonly mostWatchers: number;
  /** The same of one caller. */
  readonly mostWatchersOf: (caller: Caller) => number;
  /** How often everything is read again, for the case that word of a change got lost. */
  readonly rereadMilliseconds: number;
  readonly logger: Logger;
}

/** Users of one read. */
const LARGEST_READ = 100;
const RETRY_AFTER_SECONDS = 10;

/**
 * Keeps watchers up to date. One read runs at a time and serves everybody who watches these users; what changes
 * meanwhile is read next. So a watcher never sees an older balance after a newer one, and a hundred changes in a
 * moment are one read.
 */
export class LiveBalances {
  readonly #options: LiveBalancesOptions;
  readonly #watchers = new Map<string, Set<BalanceWatcher>>();
  readonly #stale = new Set<string>();
  readonly #reread: NodeJS.Timeout;
  readonly #countByCaller = new Map<string, number>();
  #count = 0;
  #reading = false;
  #closed = false;

  constructor(options: LiveBalancesOptions) {
    this.#options = options;
    this.#reread = setInterval(() => this.refreshAll(), options.rereadMilliseconds).unref();
  }

  /**
   * Shows the balance now and after each change.
   *
   * @returns how to stop
   * @throws ServiceUnavailableError when there are too many watchers, in all or of this caller, or the process ends
   */
  watch(watcher: BalanceWatcher): () => void {
    this.#admit(watcher.watched_by);
    const ofUser = this.#watchers.get(watcher.user_id) ?? new Set();
    this.#watchers.set(watcher.user_id, ofUser.add(watcher));
    this.#countMore(watcher.watched_by, 1);
    this.changed([watcher.user_id]);
    return () => {
      if (!ofUser.delete(watcher)) return;
      this.#countMore(watcher.watched_by, -1);
      if (ofUser.size === 0) this.#watchers.delete(watcher.user_id);
    };
  }

  /** Balances of these users have changed, somewhere. */
  changed(userIds: readonly string[]): void {
    for (const id of userIds) if (this.#watchers.has(id)) this.#stale.add(id);
    if (this.#stale.size > 0 && !this.#reading) void this.#readStale();
  }

  /** Any balance may have changed. */
  refreshAll(): void {
    this.changed([...this.#watchers.keys()]);
  }

  /** Ends every watcher; none is taken any more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#reread);
    for (const watcher of [...this.#watchers.values()].flatMap((ofUser) => [...ofUser])) watcher.end();
  }

  #admit(caller: Caller): void {
    if (this.#closed || this.#count >= this.#options.mostWatchers) {
      throw new ServiceUnavailableError(
        'This server shows as many live balances as it can; try again in a moment',
        RETRY_AFTER_SECONDS,
      );
    }
    if ((this.#countByCaller.get(callerId(caller)) ?? 0) >= this.#options.mostWatchersOf(caller)) {
      throw new ServiceUnavailableError(
        'This server shows you as many live balances as one caller may have; end another stream first',
        RETRY_AFTER_SECONDS,
      );
    }
  }

  #countMore(caller: Caller, change: 1 | -1): void {
    this.#count += change;
    const id = callerId(caller);
    const ofCaller = (this.#countByCaller.get(id) ?? 0) + change;
    if (ofCaller === 0) this.#countByCaller.delete(id);
    else this.#countByCaller.set(id, ofCaller);
  }

  async #readStale(): Promise<void> {
    this.#reading = true;
    while (this.#stale.size > 0) {
      const ids = [...this.#stale].slice(0, LARGEST_READ);
      for (const id of ids) this.#stale.delete(id);
      for (const balance of await this.#read(ids)) {
        for (const watcher of this.#watchers.get(balance.user_id) ?? []) watcher.show(balance);
      }
    }
    this.#reading = false;
  }

  /** What cannot be read now is read with everything else in a while. */
  async #read(ids: readonly string[]): Promise<readonly Balance[]> {
    try {
      return await this.#options.read(ids);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'Live balances could not be read');
      return [];
    }
  }
}
