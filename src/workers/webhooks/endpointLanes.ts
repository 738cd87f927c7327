/** Attempts of one process at one endpoint at a time. */
const MOST_AT_A_TIME = 8;
const SHORTEST_WAIT_MILLISECONDS = 250;
const LONGEST_WAIT_MILLISECONDS = 60_000;

interface Lane {
  running: number;
  /** What the latest attempt took; tells when a place may be free. */
  latestMilliseconds: number;
  /** The moment that was named to the last one who found the lane full. */
  turnAt: number;
}

/**
 * Keeps an endpoint that is slow, or that has very much to get, from taking every place of the process: whoever finds its
 * lane full comes back when it is likely to be their turn.
 */
export class EndpointLanes {
  readonly #lanes = new Map<string, Lane>();

  /** @returns when to come back, in milliseconds; nothing when the attempt may begin, to be ended by `leave` */
  enter(endpointId: string): number | undefined {
    const lane = this.#lanes.get(endpointId) ?? { running: 0, latestMilliseconds: 0, turnAt: 0 };
    this.#lanes.set(endpointId, lane);
    if (lane.running < MOST_AT_A_TIME) {
      lane.running += 1;
      return undefined;
    }
    const earliest = Date.now() + SHORTEST_WAIT_MILLISECONDS;
    const next = Math.max(earliest, lane.turnAt + lane.latestMilliseconds / MOST_AT_A_TIME);
    lane.turnAt = Math.min(next, Date.now() + LONGEST_WAIT_MILLISECONDS);
    return Math.round(lane.turnAt);
  }

  leave(endpointId: string, milliseconds: number): void {
    const lane = this.#lanes.get(endpointId);
    if (!lane) return;
    lane.running -= 1;
    lane.latestMilliseconds = milliseconds;
    if (lane.running === 0) this.#lanes.delete(endpointId);
  }
}
