import type { Socket } from 'node:net';
import type { SerializableDocument } from '../bson/serialize.ts';
import { MessageSplitter } from './messageSplitter.ts';
import { type Request, readRequest, writeReply } from './messages.ts';

export type Answer = (request: Request, connection: Connection) => Promise<SerializableDocument>;

let lastConnectionId = 0;

/** One client: its messages are answered one after the other, in order. */
export class Connection {
  readonly id = ++lastConnectionId;
  /** Resolves when the client is gone. */
  readonly closed: Promise<void>;
  private readonly socket: Socket;
  private readonly answer: Answer;
  private readonly splitter = new MessageSplitter();
  private readonly waiting: Buffer[] = [];
  private isBusy = false;
  private idle: (() => void) | null = null;

  constructor(socket: Socket, answer: Answer) {
    this.socket = socket;
    this.answer = answer;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.receive(bytes));
    // a client that goes away in the middle of an exchange is not an error of the server; 'close' follows
    socket.on('error', () => socket.destroy());
  }

  /** Lets the message that is being answered finish, then closes. */
  async end(): Promise<void> {
    this.socket.pause();
    this.waiting.length = 0;
    if (this.isBusy) await new Promise<void>((resolve) => (this.idle = resolve));
    this.socket.end(() => this.socket.destroy());
  }

  private receive(bytes: Buffer): void {
    try {
      this.waiting.push(...this.splitter.push(bytes));
    } catch {
      this.socket.destroy();
      return;
    }
    // back-pressure: a client that sends ahead of its answers waits
    if (this.waiting.length > 100) this.socket.pause();
    if (!this.isBusy && this.waiting.length > 0) void this.work();
  }

  private async work(): Promise<void> {
    this.isBusy = true;
    for (let message = this.waiting.shift(); message !== undefined; message = this.waiting.shift()) {
      try {
        const request = readRequest(message);
        const reply = await this.answer(request, this);
        if (!request.isUnacknowledged && !this.socket.destroyed)
          this.socket.write(writeReply(request, reply));
      } catch {
        this.socket.destroy();
        break;
      }
    }
    this.isBusy = false;
    this.idle?.();
    if (this.socket.isPaused() && this.idle === null) this.socket.resume();
  }
}
