/**
 * How long the lane rests after a 429 that names no time: the first time briefly, then twice as long until a call goes well
 * (the icons contract, Retry). Calls that were under way together are refused together, which counts once. Each process
 * counts for itself; the longest rest of the fleet holds.
 */
export class ThrottlePauses {
  readonly #milliseconds: number;
  #refusedAt: number | undefined;
  #again = false;

  /** @param milliseconds - of the first rest */
  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /**
   * @param begunAt - when the call began that was refused just now; of `performance.now()`
   * @returns how long to rest, in milliseconds
   */
  refused(begunAt: number): number {
    if (this.#refusedAt !== undefined && begunAt > this.#refusedAt) this.#again = true;
    this.#refusedAt = performance.now();
    return this.#again ? 2 * this.#milliseconds : this.#milliseconds;
  }

  succeeded(): void {
    this.#again = false;
    this.#refusedAt = undefined;
  }
}
