import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** The peer may take so long to read the last words and to close its side. */
const LINGER_MILLISECONDS = 1_000;

/**
 * The sockets that the HTTP server has handed over. It does not end them, but waits for them when it closes; and as it leaves
 * them open until the peer closes too, one whose last words are sent is destroyed soon after.
 */
export class UpgradedSockets {
  readonly #sockets = new Set<Duplex>();
  #isClosed = false;

  constructor(server: Server) {
    server.prependListener('upgrade', (_request, socket) => this.#add(socket));
  }

  /** Destroys, in a moment, those that have not ended by themselves, and at once those to come. */
  close(): void {
    setTimeout(() => {
      this.#isClosed = true;
      for (const socket of this.#sockets) socket.destroy();
    }, LINGER_MILLISECONDS).unref();
  }

  #add(socket: Duplex): void {
    if (this.#isClosed) socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.once('finish', () => {
      setTimeout(() => socket.destroy(), LINGER_MILLISECONDS).unref();
    });
  }
}
