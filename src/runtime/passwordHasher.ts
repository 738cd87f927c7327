import { randomBytes } from 'node:crypto';
import { argon2id, hash, needsRehash, verify } from 'argon2';
import { BoundedWork } from './boundedWork.ts';

/** https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Each takes 19 MiB and one of the four threads that Node also uses for files and names. */
const RUNNING = 2;
const WAITING = 40;
const LONGEST_WAIT_MILLISECONDS = 1_000;

/** Well-formed, and of no password: verifying it takes as long as any. */
const NOBODYS_HASH = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$${unpadded(16)}$${unpadded(32)}`;

/** Hashes and verifies passwords with argon2id, a few at a time, so that a flood of logins takes neither memory nor threads. */
export class PasswordHasher {
  readonly #work = new BoundedWork({
    what: 'Checking passwords',
    running: RUNNING,
    waiting: WAITING,
    longestWaitMilliseconds: LONGEST_WAIT_MILLISECONDS,
  });

  /** @throws ServiceUnavailableError when too many wait */
  hash(password: string): Promise<string> {
    return this.#work.run(() => hash(normalized(password), { type: argon2id, ...COST }));
  }

  /**
   * Whether it is the password of the hash. Takes the same time for a hash that is missing.
   *
   * @throws ServiceUnavailableError when too many wait
   */
  verify(passwordHash: string | undefined, password: string): Promise<boolean> {
    return this.#work.run(() => verify(passwordHash ?? NOBODYS_HASH, normalized(password)));
  }

  /** Whether the hash was made at another cost than today's. */
  isOutdated(passwordHash: string): boolean {
    return needsRehash(passwordHash, COST);
  }
}

/** The same text can be typed in several ways: https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver */
function normalized(password: string): string {
  return password.normalize('NFKC');
}

function unpadded(bytes: number): string {
  return randomBytes(bytes).toString('base64').replaceAll('=', '');
}
