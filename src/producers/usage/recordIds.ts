import type { Connection } from 'mongoose';
import { takeNumbers } from '../../models/counters.ts';

const COUNTER = 'usage-records';
const SMALLEST_BLOCK = 100;
const LARGEST_BLOCK = 100_000;
/** A block that lasts less than this was too small. */
const BLOCK_LIFE_MILLISECONDS = 2_000;

/**
 * Hands out record ids. They come in blocks from a counter in MongoDB, so that an id is never used twice, whatever
 * becomes of Redis or of this process; the rest of a block is lost with its process, which leaves gaps and no harm.
 * Blocks grow with the demand, and the next one is fetched while there is still something left of the last.
 */
export class RecordIds {
  readonly #connection: Connection;
  #blocks: { next: number; end: number }[] = [];
  #left = 0;
  #blockSize = SMALLEST_BLOCK;
  #fetchedAt = 0;
  #fetching: Promise<void> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Ascending, mostly consecutive ids.
   *
   * @throws ServiceUnavailableError when MongoDB is away and the ids at hand do not suffice
   */
  async take(count: number): Promise<number[]> {
    while (this.#left < count) await this.#fetch(count - this.#left);
    const ids = Array.from({ length: count }, () => this.#next());
    this.#fetchAhead();
    return ids;
  }

  /** One id, at once when one is at hand. Throws as `take` does. */
  takeOne(): number | Promise<number> {
    if (this.#left === 0) return this.take(1).then(([id = 0]) => id);
    const id = this.#next();
    this.#fetchAhead();
    return id;
  }

  #fetchAhead(): void {
    if (this.#left < this.#blockSize / 2) this.#fetch(0).catch(() => undefined);
  }

  #next(): number {
    const block = this.#blocks[0];
    if (!block) throw new Error('No record id is left');
    const id = block.next++;
    this.#left--;
    if (block.next === block.end) this.#blocks.shift();
    return id;
  }

  #fetch(atLeast: number): Promise<void> {
    this.#fetching ??= this.#fetchBlock(atLeast).finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetchBlock(atLeast: number): Promise<void> {
    if (Date.now() - this.#fetchedAt < BLOCK_LIFE_MILLISECONDS) {
      this.#blockSize = Math.min(this.#blockSize * 4, LARGEST_BLOCK);
    }
    const size = Math.max(this.#blockSize, atLeast);
    const first = await takeNumbers(this.#connection, COUNTER, size);
    this.#fetchedAt = Date.now();
    this.#blocks.push({ next: first, end: first + size });
    this.#left += size;
  }
}
