import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Document, deserialize, serialize } from 'bson';
import { MessageSplitter } from '../../src/wire/messageSplitter.ts';

/** Sends commands as OP_MSG over a plain socket, so that a test decides about every field. */
export class RawClient implements Disposable {
  private readonly socket: Socket;
  private readonly splitter = new MessageSplitter();
  private waiting: ((reply: Document) => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      for (const message of this.splitter.push(bytes))
        this.waiting.shift()?.(deserialize(message.subarray(21)));
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  command(command: Document): Promise<Document> {
    const body = serialize(command);
    const message = Buffer.alloc(21 + body.length);
    message.writeInt32LE(message.length, 0);
    message.writeInt32LE(2013, 12);
    message.set(body, 21);
    this.socket.write(message);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** A proxy that can swallow one reply and break the connection: the write arrived, the client does not know. */
export class LossyProxy implements Disposable {
  private dropNext: ((bytes: Buffer) => boolean) | null = null;
  dropped = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.server = server;
  }

  static async start(target: () => number): Promise<LossyProxy> {
    const server = createServer();
    const proxy = new LossyProxy(server);
    server.on('connection', (client) => proxy.pass(client, connect(target(), '127.0.0.1')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy listens on no port');
    return address.port;
  }

  /** The next request that contains `text` reaches the server, but its reply never reaches the client. */
  dropReplyTo(text: string): void {
    this.dropNext = (bytes) => bytes.includes(text);
  }

  private pass(client: Socket, server: Socket): void {
    let isDropping = false;
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.sockets.delete(socket));
    }
    client.on('data', (bytes) => {
      if (this.dropNext?.(bytes) === true) {
        isDropping = true;
        this.dropNext = null;
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (!isDropping) {
        client.write(bytes);
        return;
      }
      this.dropped++;
      client.destroy();
      server.destroy();
    });
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }

  [Symbol.dispose](): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
