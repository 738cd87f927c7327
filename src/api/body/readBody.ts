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
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
  idleMilliseconds = IDLE_MILLISECONDS,
): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return Promise.reject(
      new UnsupportedMediaTypeError('A compressed body is not accepted; send it as it is'),
    );
  }
  const announced = request.headers['content-length'];
  if (announced !== undefined && Number(announced) > limitBytes) {
    return Promise.reject(new BodyTooLargeError(limitBytes));
  }
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
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
      if (first === undefined) {
        first = chunk;
        return;
      }
      chunks ??= [first];
      chunks.push(chunk);
      idle.refresh();
    }
    function onEnd(): void {
      stop();
      resolve(chunks ? Buffer.concat(chunks, received) : (first ?? EMPTY));
    }
    function onBroken(): void {
      fail(new BadRequestError('The connection ended before the body did'));
    }
    function fail(error: Error): void {
      stop();
      chunks = undefined;
      first = undefined;
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
    request.on('error', ignore);
  });
}

/**
 * Reads a body that is text.
 *
 * @throws BadRequestError when the bytes are not UTF-8, and what `readBody` throws
 */
export async function readText(request: IncomingMessage, limitBytes: number): Promise<string> {
  return decodeUtf8(await readBody(request, limitBytes));
}

/** @throws BadRequestError when the bytes are not UTF-8 */
export function decodeUtf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new BadRequestError('The body is not valid UTF-8');
  return bytes.toString('utf8');
}

/** The `close` that follows is what counts; without a listener the error would end the process. */
function ignore(): void {}
