import { ServiceUnavailableError } from './outage.ts';

export interface BoundedWorkOptions {
  /** What is overloaded, for the message, such as `Logging in`. */
  readonly what: string;
  readonly running: number;
  readonly waiting: number;
  readonly longestWaitMilliseconds: number;
}

/** Runs costly work, a few pieces at a time. What would have to wait for long is refused at once. */
export class BoundedWork {
  readonly #options: BoundedWorkOptions;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: BoundedWorkOptions) {
    this.#options = options;
  }

  /** @throws ServiceUnavailableError when too much waits, or the turn came too late */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#options.running) this.#running += 1;
    else await this.#turn();
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }

  /** Resolves when one that ran has left its place. */
  async #turn(): Promise<void> {
    if (this.#waiting.length >= this.#options.waiting) throw this.#overloaded();
    await new Promise<void>((resolve, reject) => {
      const onTurn = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(onTurn), 1);
        reject(this.#overloaded());
      }, this.#options.longestWaitMilliseconds);
      this.#waiting.push(onTurn);
    });
  }

  #overloaded(): ServiceUnavailableError {
    return new ServiceUnavailableError(`${this.#options.what} is overloaded; try again in a moment`, 2);
  }
}
