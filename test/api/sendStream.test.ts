import { once } from 'node:events';
import { get } from 'node:http';
import { Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { sendStream } from '../../src/api/sendStream.ts';
import { startApiServer } from './apiServer.ts';

type Source = Parameters<typeof sendStream>[0];

/** Sends a source that is opened when its client has gone already; gives what became of the sending. */
async function sendToNobody(source: Source): Promise<'sent' | 'failed'> {
  const asked = Promise.withResolvers<void>();
  const sending = Promise.withResolvers<'sent' | 'failed'>();
  const server = await startApiServer({
    routes: [
      {
        method: 'get',
        path: '/stream',
        access: 'open',
        errors: 'problem',
        async handle(_request, response) {
          asked.resolve();
          await once(response, 'close');
          response.writeHead(200);
          const sent = sendStream(source, response);
          sending.resolve(
            sent.then(
              () => 'sent',
              () => 'failed',
            ),
          );
          await sent;
        },
      },
    ],
  });
  onTestFinished(() => server.close());
  const request = get(`${server.url}/stream`).on('error', () => undefined);
  await asked.promise;
  request.destroy();
  return sending.promise;
}

test('a client that is gone before the source is opened leaves no open source, and is no failure', async () => {
  const source = new Readable({ read: () => undefined });
  expect(await sendToNobody(source)).toBe('sent');
  expect(source.destroyed).toBe(true);
});

test('the same for pieces that were begun before', async () => {
  let isClosed = false;
  async function* pieces() {
    try {
      yield Buffer.from('one');
      yield Buffer.from('two');
    } finally {
      isClosed = true;
    }
  }
  const source = pieces();
  await source.next();
  expect(await sendToNobody(source)).toBe('sent');
  expect(isClosed).toBe(true);
});

/** Several times what the slow client takes, and a fraction of what the quick one can, after a moment to stand still in. */
const PACE = { graceMilliseconds: 2_000, bytesPerSecond: 1_000_000 };

/** What becomes of the sending to a client that takes so many bytes every few milliseconds. */
async function sendTo(takes: number, source: Source): Promise<'whole' | 'cut'> {
  const end = Promise.withResolvers<'whole' | 'cut'>();
  const server = await startApiServer({
    routes: [
      {
        method: 'get',
        path: '/stream',
        access: 'open',
        errors: 'problem',
        async handle(_request, response) {
          await sendStream(source, response, PACE);
          end.resolve(response.writableFinished ? 'whole' : 'cut');
        },
      },
    ],
  });
  onTestFinished(() => server.close());
  const request = get(`${server.url}/stream`, (response) => {
    const timer = setInterval(() => response.read(takes), 5);
    response.on('readable', () => undefined);
    response.once('error', () => undefined);
    response.once('close', () => clearInterval(timer));
  });
  onTestFinished(() => {
    request.destroy();
  });
  return end.promise;
}

/** More than the buffers of a connection hold. */
const LARGE = 40_000_000;

async function* piecesOf(bytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let left = bytes; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536));
}

test('a client that takes a little at a time, and goes on for ever, is given up', async () => {
  expect(await sendTo(1_000, piecesOf(LARGE))).toBe('cut');
});

test('one that takes what it can gets all of it, however large it is', async () => {
  expect(await sendTo(LARGE, piecesOf(LARGE))).toBe('whole');
});
