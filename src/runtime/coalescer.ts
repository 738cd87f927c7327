import { ServiceUnavailableError } from './outage.ts';

const RETRY_AFTER_SECONDS = 2;

/** The buffer is full: more is offered than can be written. */
export class CoalescerFullError extends ServiceUnavailableError {
  override name = 'CoalescerFullError';

  constructor(limit: number) {
    super(`More than ${limit} items are waiting to be written; try again in a moment`, RETRY_AFTER_SECONDS);
  }
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface CoalescerLimits {
  /** Most items of one write. */
  readonly largestWrite: number;
  /** Most items that may wait at a time. */
  readonly mostWaiting: number;
  /** Writes that may run at a time. More than one keeps a store busy that spends its time waiting for its disk. */
  readonly writesAtOnce: number;
}

/**
 * Lets concurrent callers share one write, without a timer: what arrives while a write may start is written at once,
 * what arrives meanwhile is gathered and written together as soon as a running write ends. A lone caller never waits,
 * and under load the writes grow by themselves.
 */
export class Coalescer<Item, Result> {
  readonly #write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #limits: CoalescerLimits;
  readonly #whyNot: (item: Item) => Error | undefined;
  #waiting: Waiting<Item, Result>[] = [];
  #writing = 0;

  /**
   * @param write - gets 1 to `largestWrite` items and resolves to one result for each, in order; a rejection rejects
   *   every caller of that write
   * @param whyNot - asked right before an item is written: the error, if any, rejects its caller, and the item is left out
   */
  constructor(
    write: (items: readonly Item[]) => Promise<readonly Result[]>,
    limits: CoalescerLimits,
    whyNot: (item: Item) => Error | undefined = () => undefined,
  ) {
    this.#write = write;
    this.#limits = limits;
    this.#whyNot = whyNot;
  }

  /**
   * @returns the item's own result once its write has succeeded
   * @throws CoalescerFullError when too many items wait already
   */
  add(item: Item): Promise<Result> {
    if (this.#waiting.length >= this.#limits.mostWaiting) {
      return Promise.reject(new CoalescerFullError(this.#limits.mostWaiting));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#writing < this.#limits.writesAtOnce) {
        this.#writing++;
        // The requests that were read from their sockets in this same turn of the event loop still join.
        setImmediate(() => void this.#writeUntilEmpty());
      }
    });
  }

  async #writeUntilEmpty(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#takeNext();
      if (batch.length === 0) continue;
      try {
        const results = await this.#write(batch.map((waiting) => waiting.item));
        batch.forEach((waiting, index) => {
          const result = results[index];
          if (result === undefined) waiting.reject(new Error('The write gave no result for this item'));
          else waiting.resolve(result);
        });
      } catch (error) {
        for (const waiting of batch) waiting.reject(error);
      }
    }
    this.#writing--;
  }

  #takeNext(): Waiting<Item, Result>[] {
    return this.#waiting.splice(0, this.#limits.largestWrite).filter(({ item, reject }) => {
      const error = this.#whyNot(item);
      if (error) reject(error);
      return error === undefined;
    });
  }
}
