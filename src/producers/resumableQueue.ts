import { Queue, type QueueOptions } from 'bullmq';
import type { Redis } from 'ioredis';

/** Longer than whatever may be under way when a queue is resumed. */
const REMEMBERED_MILLISECONDS = 600_000;

/**
 * A queue that remembers for ten minutes when it was resumed, whoever did it: the command line, the board. So what began
 * before and goes wrong afterwards is told apart from what goes wrong anew.
 */
export class ResumableQueue extends Queue {
  readonly #redis: Redis;

  /** @param redis - of the queue, too */
  constructor(name: string, redis: Redis, options: Omit<QueueOptions, 'connection'>) {
    super(name, { ...options, connection: redis });
    this.#redis = redis;
  }

  override async resume(): Promise<void> {
    // First: a refusal that comes in between finds the queue paused, and changes nothing.
    await this.#redis.set(this.#key, '', 'PX', REMEMBERED_MILLISECONDS);
    await super.resume();
  }

  /**
   * By the clock of Redis alone, whatever those of the processes show.
   *
   * @param milliseconds - at most ten minutes
   */
  async wasResumedWithin(milliseconds: number): Promise<boolean> {
    // Negative when it was not resumed for so long.
    const left = await this.#redis.pttl(this.#key);
    return left >= 0 && REMEMBERED_MILLISECONDS - left <= milliseconds;
  }

  get #key(): string {
    return this.toKey('resumed');
  }
}
