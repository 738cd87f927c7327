import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import {
  BadRequestError,
  BodyTooLargeError,
  RequestTimeoutError,
  UnsupportedMediaTypeError,
} from '../errors.ts';

/** A client that sends nothing for so long in the middle of a body is given up. */
const IDLE_MILLISECONDS = 10_000;

const EMPTY = Buffer.alloc(0);

/**
 * Reads a request's body into one buffer.
 *
 * @param limitBytes - most bytes that are taken; a body that announces more is refused without reading it
 * @throws BodyTooLargeError, UnsupportedMediaTypeError for a compressed body, RequestTimeoutError when the client stops
 *   half way, BadRequestError when the connection ends half way
 */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
  idleMilliseconds = IDLE_MILLISECONDS,
): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new UnsupportedMediaTypeError('A compressed body is not accepted; send it as it is');
  }
  const announced = request.headers['content-length'];
  if (announced !== undefined && Number(announced) > limitBytes) throw new BodyTooLargeError(limitBytes);
  // A small body comes in the same packet as the headers. By the time that this goes on, Node has taken it in, and it
  // can be had without listeners and timers.
  await undefined;
  if (announced !== undefined && request.readableLength === Number(announced)) return takeWhole(request);
  return collect(request, limitBytes, idleMilliseconds);
}

function takeWhole(request: IncomingMessage): Buffer {
  const bytes: unknown = request.read();
  // Lets the request end: nobody listens for what comes behind its last byte.
  request.resume();
  return Buffer.isBuffer(bytes) ? bytes : EMPTY;
}

function collect(request: IncomingMessage, limitBytes: number, idleMilliseconds: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    const idle = setTimeout(() => {
      fail(new RequestTimeoutError(`No byte of the body came for ${idleMilliseconds} ms`));
    }, idleMilliseconds);

    function onData(chunk: Buffer): void {
      received += chunk.length;
      if (received > limitBytes) {
        fail(new BodyTooLargeError(limitBytes));
        return;
      }
      chunks.push(chunk);
      idle.refresh();
    }
    function onEnd(): void {
      stop();
      resolve(Buffer.concat(chunks, received));
    }
    function onBroken(): void {
      fail(new BadRequestError('The connection ended before the body did'));
    }
    function fail(error: Error): void {
      stop();
      chunks.length = 0;
      reject(error);
    }
    function stop(): void {
      clearTimeout(idle);
      request.off('data', onData);
      request.off('end', onEnd);
      request.off('close', onBroken);
    }

    request.on('data', onData);
    request.on('end', onEnd);
    request.on('close', onBroken);
  });
}

/** @throws BadRequestError when the bytes are not UTF-8 */
export function decodeUtf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new BadRequestError('The body is not valid UTF-8');
  return bytes.toString('utf8');
}
