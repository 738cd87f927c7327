import { PassThrough, pipeline, type Readable } from 'node:stream';

export interface ReadAheadLimits {
  /** What all that is read ahead may take of memory at a time. */
  readonly bytes: number;
  /** What is larger is not read ahead. */
  readonly largestBytes: number;
  /** Connections that may wait for their readers. */
  readonly waiting: number;
}

/**
 * Frees connections from slow readers: what comes is taken into memory as fast as it comes, and waits there. What has no room
 * there keeps its connection waiting, which few may do at a time, so that there are always some for everybody else.
 */
export class ReadAhead {
  readonly #limits: ReadAheadLimits;
  #taken = 0;
  #waiting = 0;

  constructor(limits: ReadAheadLimits) {
    this.#limits = limits;
  }

  /**
   * @param source - destroyed when nothing is returned
   * @param length - of what comes, in bytes; nothing when it is not known
   * @returns the same bytes; nothing when too many connections wait already
   */
  add(source: Readable, length: number | undefined): Readable | undefined {
    const { bytes, largestBytes, waiting } = this.#limits;
    if (length !== undefined && length <= largestBytes && this.#taken + length <= bytes) {
      this.#taken += length;
      const ahead = takenAhead(source, length);
      ahead.once('close', () => {
        this.#taken -= length;
      });
      return ahead;
    }
    if (this.#waiting >= waiting) {
      source.destroy();
      return undefined;
    }
    this.#waiting += 1;
    source.once('close', () => {
      this.#waiting -= 1;
    });
    return source;
  }
}

/** Fails when the source does, and closes it when it is closed itself. */
function takenAhead(source: Readable, length: number): Readable {
  const ahead = new PassThrough({ highWaterMark: length + 1 });
  // Whoever reads is told; a failure that comes before must not end the process.
  pipeline(source, ahead, () => undefined);
  ahead.on('error', () => undefined);
  return ahead;
}
