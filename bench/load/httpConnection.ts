import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HEADER_END = '\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i;

/** A request as it goes over the wire. Made before the clock runs. */
export function encodePost(path: string, headers: Readonly<Record<string, string>>, body: string): Buffer {
  const lines = Object.entries({
    Host: '127.0.0.1',
    ...headers,
    'Content-Length': String(Buffer.byteLength(body)),
  }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}${HEADER_END}${body}`);
}

/**
 * One kept-alive connection that sends a request when the last one is answered. It reads just enough of an answer to
 * know its status and its end, so that the load takes as little as possible of the machine it measures.
 */
export class HttpConnection {
  readonly #socket: Socket;
  #received = '';
  #answer: PromiseWithResolvers<number> | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('The server closed the connection')));
  }

  /** @param url - such as `http://127.0.0.1:3560` */
  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new HttpConnection(socket);
  }

  /**
   * @returns the status of the answer, once all of it is here
   * @throws Error when the connection breaks, or is closed already
   */
  send(request: Buffer): Promise<number> {
    if (this.#answer) throw new Error('The last request is not answered yet');
    if (this.#socket.destroyed) return Promise.reject(new Error('The server had closed the connection'));
    this.#answer = Promise.withResolvers();
    this.#socket.write(request);
    return this.#answer.promise;
  }

  close(): void {
    this.#answer = undefined;
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text;
    const headerEnd = this.#received.indexOf(HEADER_END);
    if (headerEnd === -1) return;
    const length = CONTENT_LENGTH.exec(this.#received.slice(0, headerEnd))?.[1];
    if (length === undefined) {
      this.#fail(new Error('The answer has no Content-Length'));
      return;
    }
    if (this.#received.length < headerEnd + HEADER_END.length + Number(length)) return;
    const status = Number(this.#received.slice(9, 12));
    this.#received = '';
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.resolve(status);
  }

  #fail(error: Error): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.reject(error);
  }
}
