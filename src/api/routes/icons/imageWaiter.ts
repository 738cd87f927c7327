import { type IconImage, isOpen } from '../../../domain/icons/icon.ts';
import { isOutage } from '../../../runtime/outage.ts';

export interface ImageWaiterOptions {
  readonly read: (imageId: string) => Promise<IconImage | undefined>;
  /** A signal may be lost: so often an image is looked at without one. */
  readonly recheckMilliseconds: number;
}

interface NextLook {
  readonly came: Promise<void>;
  drop(): void;
}

/** Requests of this process that wait for an image to be final, on the signals of those who make it. */
export class ImageWaiter {
  readonly #options: ImageWaiterOptions;
  /** By image: whoever waits looks again when it is called. */
  readonly #looks = new Map<string, Set<() => void>>();
  #closed = false;

  constructor(options: ImageWaiterOptions) {
    this.#options = options;
  }

  /** An image is said to be final. */
  signal(imageId: string): void {
    for (const look of this.#looks.get(imageId) ?? []) look();
  }

  /** Signals may have been missed. */
  signalAll(): void {
    for (const looks of this.#looks.values()) for (const look of looks) look();
  }

  /** Ends every wait at once, and those to come. */
  close(): void {
    this.#closed = true;
    this.signalAll();
  }

  /**
   * Waits until the image is final. A store that is away meanwhile is waited for too.
   *
   * @param gone - aborted when nobody waits any more
   * @returns nothing when the time is over first, nobody waits any more, or the process stops
   */
  async wait(imageId: string, milliseconds: number, gone: AbortSignal): Promise<IconImage | undefined> {
    const until = performance.now() + milliseconds;
    for (;;) {
      // Listened for before the image is read, so that a signal in between is not missed.
      const signal = this.#nextLook(imageId, until, gone);
      try {
        const image = await this.#readFinal(imageId);
        if (image || this.#closed || gone.aborted || performance.now() >= until) return image;
        await signal.came;
      } finally {
        signal.drop();
      }
    }
  }

  async #readFinal(imageId: string): Promise<IconImage | undefined> {
    try {
      const image = await this.#options.read(imageId);
      return image && !isOpen(image) ? image : undefined;
    } catch (error) {
      if (isOutage(error)) return undefined;
      throw error;
    }
  }

  #nextLook(imageId: string, until: number, gone: AbortSignal): NextLook {
    const { promise: came, resolve: look } = Promise.withResolvers<void>();
    const left = Math.max(0, until - performance.now());
    const timer = setTimeout(look, Math.min(this.#options.recheckMilliseconds, left));
    const onGone = () => look();
    gone.addEventListener('abort', onGone);
    this.#add(imageId, onGone);
    return {
      came,
      drop: () => {
        clearTimeout(timer);
        gone.removeEventListener('abort', onGone);
        this.#remove(imageId, onGone);
      },
    };
  }

  #add(imageId: string, look: () => void): void {
    const looks = this.#looks.get(imageId);
    if (looks) looks.add(look);
    else this.#looks.set(imageId, new Set([look]));
  }

  #remove(imageId: string, look: () => void): void {
    const looks = this.#looks.get(imageId);
    looks?.delete(look);
    if (looks?.size === 0) this.#looks.delete(imageId);
  }
}
