import { type IncomingMessage, Server, type ServerOptions, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Knows which connections still have to send: Node takes one for idle as soon as its answer is handed over, and waits
 * without end for a client that takes nothing.
 */
export class PatientServer<
  Request extends typeof IncomingMessage,
  Response extends typeof ServerResponse<InstanceType<Request>>,
> extends Server<Request, Response> {
  readonly #connections = new Set<Socket>();
  readonly #stalledMilliseconds: number;

  /** @param stalledMilliseconds - a connection ends when its client takes nothing of what there is for so long */
  constructor(options: ServerOptions<Request, Response>, stalledMilliseconds: number) {
    super(options);
    this.#stalledMilliseconds = stalledMilliseconds;
    this.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
    });
    const watch = setInterval(() => this.#watchSending(), stalledMilliseconds / 2).unref();
    this.once('close', () => clearInterval(watch));
  }

  /** Waits for all that is being sent: an answer that is cut off looks like a success to many a client. */
  override closeIdleConnections(): void {
    if ([...this.#connections].some((socket) => socket.writableLength > 0)) return;
    super.closeIdleConnections();
  }

  /** A time-out on every connection would cost each request. Whatever moves starts it anew, also within one large write. */
  #watchSending(): void {
    for (const socket of this.#connections) {
      const isWatched = socket.timeout === this.#stalledMilliseconds;
      const isSending = socket.writableLength > 0;
      if (isSending !== isWatched) socket.setTimeout(isSending ? this.#stalledMilliseconds : 0);
    }
  }
}
