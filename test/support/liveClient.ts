import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { waitFor } from './waitFor.ts';

export interface LiveEvent {
  readonly type: string;
  readonly data: ReturnType<typeof JSON.parse>;
}

/** A client of live progress that writes down all it gets. */
export class LiveClient {
  readonly events: LiveEvent[] = [];
  ended = false;
  readonly #send: (type: string, message: object) => void;
  readonly #close: () => void;

  private constructor(send: (type: string, message: object) => void, close: () => void) {
    this.#send = send;
    this.#close = close;
  }

  /** By socket.io-client, with its own defaults: polling first, then a WebSocket. */
  static async socketIo(
    url: string,
    token?: string,
    transports: ('polling' | 'websocket')[] = ['polling', 'websocket'],
  ): Promise<LiveClient> {
    const socket: Socket = io(url, {
      forceNew: true,
      reconnection: false,
      transports,
      ...(token === undefined ? {} : { auth: { token } }),
    });
    const client = new LiveClient(
      (type, message) => socket.emit(type, message),
      () => socket.disconnect(),
    );
    socket.onAny((type: string, data: unknown) => client.events.push({ type, data }));
    socket.on('disconnect', () => {
      client.ended = true;
    });
    await client.first('connected');
    return client;
  }

  /** By a plain WebSocket at `/ws`. */
  static async raw(url: string, headers: Readonly<Record<string, string>> = {}): Promise<LiveClient> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers });
    const client = new LiveClient(
      (type, message) => socket.send(JSON.stringify({ type, ...message })),
      () => socket.close(),
    );
    socket.on('message', (text) => {
      const data = JSON.parse(String(text));
      client.events.push({ type: data.type, data });
    });
    socket.on('close', () => {
      client.ended = true;
    });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  send(type: string, message: object): void {
    this.#send(type, message);
  }

  of(type: string): readonly LiveEvent['data'][] {
    return this.events.filter((event) => event.type === type).map(({ data }) => data);
  }

  /** Waits for the first event of a type that is wanted. */
  first(
    type: string,
    isWanted: (data: LiveEvent['data']) => boolean = () => true,
  ): Promise<LiveEvent['data']> {
    return waitFor(`the event ${type}`, async () => this.of(type).find(isWanted));
  }

  end(): Promise<true> {
    return waitFor('the end of the connection', async () => this.ended || undefined);
  }

  close(): void {
    this.#close();
  }
}
