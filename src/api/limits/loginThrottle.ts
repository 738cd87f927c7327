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
   * @param findForgotten - when the failures of the name were last to be forgotten; asked only of a name with too many
   * @throws TooManyRequestsError when the name failed 10 times or the address 100 times within a quarter of an hour
   */
  async begin(name: string, ip: string, findForgotten: FindForgotten): Promise<LoginAttempt> {
    const address = clientAddress(ip);
    const [whom, ofAddress] = await Promise.all([
      this.#countName(name.normalize('NFC').trim().toLowerCase(), findForgotten),
      this.#addresses.use(address, 1),
    ]);
    requireAttempt(ofAddress, MOST_FAILURES_OF_ADDRESS);
    return {
      succeeded: async () => {
        const forgetting = whom.map((counted) => this.#names.forget(counted));
        await Promise.all([...forgetting, this.#addresses.giveBack(address, 1)]);
      },
      unanswered: async () => {
        const givingBack = whom.map((counted) => this.#names.giveBack(counted, 1));
        await Promise.all([...givingBack, this.#addresses.giveBack(address, 1)]);
      },
    };
  }

  /**
   * What was counted before failures were forgotten is left as it is and another count begun: taking it away could take
   * attempts away that were made meanwhile.
   *
   * @returns what the attempt was counted as
   */
  async #countName(name: string, findForgotten: FindForgotten): Promise<readonly string[]> {
    const used = await this.#names.use(name, 1);
    if (used.used <= MOST_FAILURES_OF_NAME) return [name];
    const forgottenAt = (await findForgotten())?.getTime();
    if (forgottenAt === undefined || forgottenAt <= Date.now() - WINDOW_SECONDS * 1_000) {
      throw tooManyAttempts(used);
    }
    const anew = `${name}\n${forgottenAt}`;
    requireAttempt(await this.#names.use(anew, 1), MOST_FAILURES_OF_NAME);
    return [name, anew];
  }
}

type FindForgotten = () => Promise<Date | undefined>;

function requireAttempt(used: Used, most: number): void {
  if (used.used > most) throw tooManyAttempts(used);
}

function tooManyAttempts({ milliseconds }: Used): TooManyRequestsError {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1_000));
  return new TooManyRequestsError(`Too many login attempts; try again in ${seconds} s`, seconds);
}
