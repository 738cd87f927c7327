import { MOST_WAITING_MESSAGES } from './liveMessages.ts';

/** Does what one client asks for in the order in which it was asked. */
export class MessageTurns {
  readonly #onOverflow: () => void;
  readonly #onError: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #held: PromiseWithResolvers<void> | undefined;
  #isClosed = false;

  /**
   * @param onOverflow - the client asks for more than is done
   * @param onError - what was asked for could not be done, which is a defect
   */
  constructor(onOverflow: () => void, onError: (error: unknown) => void) {
    this.#onOverflow = onOverflow;
    this.#onError = onError;
  }

  take(step: () => Promise<void>): void {
    if (this.#isClosed) return;
    if (this.#waiting >= MOST_WAITING_MESSAGES) {
      this.#onOverflow();
      return;
    }
    this.#waiting += 1;
    this.#last = this.#last
      .then(() => this.#held?.promise)
      .then(() => (this.#isClosed ? undefined : step()))
      .catch(this.#onError)
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  /** The client does not take its answers, so no more are made. */
  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  /** Nothing is done any more. */
  close(): void {
    this.#isClosed = true;
    this.release();
  }
}
