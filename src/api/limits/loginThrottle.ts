import type { Redis } from 'ioredis';
import { TooManyRequestsError } from '../errors.ts';
import { clientAddress } from './clientAddress.ts';
import { Counter, type Used } from './counter.ts';

const WINDOW_SECONDS = 15 * 60;
const MOST_FAILURES_OF_NAME = 10;
const MOST_FAILURES_OF_ADDRESS = 100;

/** One attempt that is under way. */
export interface LoginAttempt {
  /** It was the right password: the failures of the name before it are forgotten. */
  succeeded(): Promise<void>;
  /** Nobody looked at the password, because something was away: the attempt does not count. */
  unanswered(): Promise<void>;
}

/**
 * Slows down who tries passwords. Each attempt counts as failed until it has succeeded, so that many at once are no way
 * around; names that no account has count alike.
 */
export class LoginThrottle {
  readonly #names: Counter;
  readonly #addresses: Counter;

  /** @param prefix - of the installation */
  constructor(redis: Redis, prefix: string) {
    this.#names = new Counter(redis, prefix, 'login-name', WINDOW_SECONDS);
    this.#addresses = new Counter(redis, prefix, 'login-address', WINDOW_SECONDS);
  }

  /**
   * Counts an attempt, before the password is looked at.
   *
   * @param name - the e-mail address or user name as it was sent; case makes no difference
   * @throws TooManyRequestsError when the name failed 10 times or the address 100 times within a quarter of an hour
   */
  async begin(name: string, ip: string): Promise<LoginAttempt> {
    const whom = name.normalize('NFC').trim().toLowerCase();
    const address = clientAddress(ip);
    const [ofName, ofAddress] = await Promise.all([
      this.#names.use(whom, 1),
      this.#addresses.use(address, 1),
    ]);
    requireAttempt(ofName, MOST_FAILURES_OF_NAME);
    requireAttempt(ofAddress, MOST_FAILURES_OF_ADDRESS);
    return {
      succeeded: async () => {
        await Promise.all([this.#names.forget(whom), this.#addresses.giveBack(address, 1)]);
      },
      unanswered: async () => {
        await Promise.all([this.#names.giveBack(whom, 1), this.#addresses.giveBack(address, 1)]);
      },
    };
  }
}

function requireAttempt({ used, milliseconds }: Used, most: number): void {
  if (used <= most) return;
  const seconds = Math.max(1, Math.ceil(milliseconds / 1_000));
  throw new TooManyRequestsError(`Too many login attempts; try again in ${seconds} s`, seconds);
}
