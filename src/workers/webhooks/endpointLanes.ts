/** Attempts of one process at one endpoint at a time. */
const MOST_AT_A_TIME = 8;
const SHORTEST_WAIT_MILLISECONDS = 250;
const LONGEST_WAIT_MILLISECONDS = 60_000;
/** Between two who come back: however quick the endpoint, they do not all come at once. */
const SHORTEST_DISTANCE_MILLISECONDS = 20;

interface Lane {
  running: number;
  /** Since when every place of the lane is taken by the same attempts. */
  fullSince: number;
  /** What the latest attempt took. */
  latestMilliseconds: number;
  /** The moment that was named to the last one who found the lane full. */
  turnAt: number;
}

/**
 * Keeps an endpoint that is slow, or that has very much to get, from taking every place of the process: whoever finds its
 * lane full comes back when it is likely to be their turn. They are told apart by what an attempt takes, so that a long
 * line costs few looks.
 */
export class EndpointLanes {
  readonly #lanes = new Map<string, Lane>();

  /** @returns when to come back, in milliseconds; nothing when the attempt may begin, to be ended by `leave` */
  enter(endpointId: string): number | undefined {
    const now = Date.now();
    const lane = this.#lanes.get(endpointId) ?? {
      running: 0,
      fullSince: 0,
      latestMilliseconds: 0,
      turnAt: 0,
    };
    this.#lanes.set(endpointId, lane);
    if (lane.running < MOST_AT_A_TIME) {
      lane.running += 1;
      lane.fullSince = now;
      return undefined;
    }
    const attempt = Math.max(lane.latestMilliseconds, now - lane.fullSince);
    const distance = Math.max(attempt / MOST_AT_A_TIME, SHORTEST_DISTANCE_MILLISECONDS);
    const turn = Math.max(now + SHORTEST_WAIT_MILLISECONDS, lane.turnAt + distance);
    lane.turnAt = Math.min(turn, now + LONGEST_WAIT_MILLISECONDS);
    return Math.round(lane.turnAt);
  }

  /** @param milliseconds - what the attempt took */
  leave(endpointId: string, milliseconds: number): void {
    const lane = this.#lanes.get(endpointId);
    if (!lane) return;
    lane.running -= 1;
    lane.latestMilliseconds = milliseconds;
    if (lane.running === 0) this.#lanes.delete(endpointId);
  }
}
