import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import express, { type Express } from 'express';
import { afterEach, expect, test } from 'vitest';
import { readBody } from '../../src/api/body/readBody.ts';
import { createHttpServer } from '../../src/api/httpServer.ts';
import { closeServer, listen } from '../../src/api/listen.ts';
import { waitFor } from '../support/waitFor.ts';

const LARGE = Buffer.alloc(9_000_000, 'a');

let server: Server | undefined;
let client: Socket | undefined;
afterEach(async () => {
  client?.destroy();
  server?.closeAllConnections();
  if (server) await closeServer(server);
});

/** A server of that app, and a client that reads nothing until it is told to. */
async function meet(app: Express, stalledMilliseconds?: number): Promise<{ server: Server; client: Socket }> {
  server = createHttpServer(app, () => undefined, stalledMilliseconds);
  const url = new URL(await listen(server, '127.0.0.1', 0));
  client = connect(Number(url.port), url.hostname);
  client.on('error', () => undefined);
  await once(client, 'connect');
  return { server, client };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

test('the end of the server waits until an answer is sent to its last byte', async () => {
  const answered = Promise.withResolvers<void>();
  const app = express().get('/large', (_request, response) => {
    response.end(LARGE);
    answered.resolve();
  });
  const { server, client } = await meet(app);
  client.write(get('/large'));
  await answered.promise;
  const closed = closeServer(server);
  let received = 0;
  client.on('data', (chunk) => {
    received += chunk.length;
  });
  await Promise.all([closed, once(client, 'close')]);
  expect(received).toBeGreaterThan(LARGE.length);
});

test('a client that asks again and again without an answer is not served any longer', async () => {
  let begun = 0;
  const app = express().get('/never', () => {
    begun += 1;
  });
  const { client } = await meet(app);
  client.write(get('/never').repeat(500));
  await once(client.resume(), 'close');
  expect(begun).toBe(65);
});

test('requests that come together are answered in their order', async () => {
  const app = express().get('/:number', (request, response) => {
    setImmediate(() => response.end(`<${request.params.number}>`));
  });
  const { client } = await meet(app);
  let received = '';
  client.setEncoding('latin1').on('data', (text) => {
    received += text;
  });
  for (const round of [0, 1]) {
    const numbers = Array.from({ length: 50 }, (_, index) => round * 50 + index);
    client.write(numbers.map((number) => get(`/${number}`)).join(''));
    await waitFor('the answers', async () => received.includes(`<${numbers.at(-1)}>`) || undefined);
  }
  expect(received.match(/(?<=<)\d+(?=>)/g)?.map(Number)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test('a client that takes nothing of its answer is left; one that takes it slowly is not', async () => {
  const app = express().get('/large', (_request, response) => {
    response.end(LARGE);
  });
  const { server, client } = await meet(app, 2_000);
  const stalled = once(server, 'connection').then(([socket]) => once(socket, 'close'));
  const silent = connect(client.remotePort ?? 0, client.remoteAddress).on('error', () => undefined);
  await once(silent, 'connect');
  silent.pause().write(get('/large'));
  let received = 0;
  client.on('data', (chunk) => {
    received += chunk.length;
    client.pause();
    setTimeout(() => client.resume(), 30);
  });
  client.write(get('/large'));
  await stalled;
  silent.destroy();
  await waitFor('all of it', async () => received > LARGE.length || undefined);
});

test('a body is asked for only where it is read', async () => {
  const app = express()
    .post('/reads', async (request, response) => {
      response.end(`<${await readBody(request, 10)}>`);
    })
    .post('/refuses', (_request, response) => {
      response.statusCode = 401;
      response.end('<refused>');
    });
  const { client } = await meet(app);
  let received = '';
  client.setEncoding('latin1').on('data', (text) => {
    received += text;
  });
  const post = (path: string) =>
    client.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n`);
  post('/reads');
  await waitFor('the go-ahead', async () => received.includes('100 Continue') || undefined);
  client.write('ok');
  await waitFor('the answer', async () => received.includes('<ok>') || undefined);
  received = '';
  post('/refuses');
  await waitFor('the refusal', async () => received.includes('<refused>') || undefined);
  expect(received).not.toContain('100 Continue');
});
