import { once } from 'node:events';
import { createServer } from 'node:http';
import express, { type Response } from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { RequestContext } from '../../src/api/requestContext.ts';
import { BalanceEvents } from '../../src/api/routes/credits/balanceEvents.ts';
import type { Balance } from '../../src/domain/credits/ledger.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { EventSource } from '../support/eventSource.ts';
import { waitFor } from '../support/waitFor.ts';

const balance = (version: number): Balance => ({ user_id: 'u', available: version, held: 0, version });

async function stream(heartbeatMilliseconds: number) {
  const answered = Promise.withResolvers<{ events: BalanceEvents; response: Response }>();
  const app = express().get('/', (request, response) => {
    request.context = new RequestContext('request-1', '', createLogger('web', 'silent'));
    const events = new BalanceEvents(response, heartbeatMilliseconds);
    events.begin();
    answered.resolve({ events, response });
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('There is no port');
  const source = await EventSource.open(`http://127.0.0.1:${address.port}/`, {});
  onTestFinished(async () => {
    source.close();
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return { source, ...(await answered.promise) };
}

/** Shows ever newer balances until the reader's side is full to the brim. */
function fill(events: BalanceEvents, response: Response): number {
  let version = 0;
  while (!response.writableNeedDrain) events.show(balance(++version));
  return version;
}

test('a balance is written once, and again when only the clock has changed it', async () => {
  const { source, events } = await stream(60_000);
  events.show(balance(1));
  events.show(balance(1));
  events.show({ ...balance(1), available: 0 });
  events.show(balance(2));
  const received = await source.count(3);
  expect(received.map(({ event, id, data }) => [event, id, JSON.parse(data)])).toEqual([
    ['balance', '1', { user_id: 'u', credits: 1, held: 0 }],
    ['balance', '1', { user_id: 'u', credits: 0, held: 0 }],
    ['balance', '2', { user_id: 'u', credits: 2, held: 0 }],
  ]);
  expect(source.text.startsWith('retry: 2000\n\n')).toBe(true);
});

test('a reader that stops for a while gets the latest state, not everything it has missed', async () => {
  const { source, events, response } = await stream(60_000);
  source.pause();
  // Node writes into the socket's own buffer first; how much that takes is the system's business.
  await waitFor('nothing is taken any more', async () => {
    fill(events, response);
    const buffered = response.writableLength;
    await new Promise((resolve) => setImmediate(resolve));
    return response.writableNeedDrain && response.writableLength === buffered ? true : undefined;
  });
  const buffered = response.writableLength;
  const written = Number.MAX_SAFE_INTEGER - 100_000;
  for (let version = written; version < written + 100_000; version++) events.show(balance(version));
  expect(response.writableLength, 'nothing of all this is kept').toBe(buffered);
  source.resume();
  await source.data(({ credits }) => credits === written + 99_999);
  expect(source.events.filter(({ id }) => Number(id) >= written)).toHaveLength(1);
});

test('a comment comes while nothing changes', async () => {
  const { source } = await stream(10);
  await waitFor('three comments', async () =>
    source.text.split(': heartbeat\n\n').length > 3 ? true : undefined,
  );
  expect(source.events).toEqual([]);
});

test('a reader that takes nothing from one comment to the next but one is dropped', async () => {
  const { source, events, response } = await stream(500);
  source.pause();
  const closed = once(response, 'close');
  await waitFor('the connection ends', async () => {
    if (!response.destroyed) fill(events, response);
    return response.destroyed ? true : undefined;
  });
  await closed;
});

test('the end reaches a reader that reads, and does not wait for one that does not', async () => {
  const reading = await stream(60_000);
  reading.events.show(balance(1));
  reading.events.end();
  await waitFor('it has ended', async () => (reading.source.ended ? true : undefined));
  expect(reading.source.events).toHaveLength(1);

  const stuck = await stream(60_000);
  stuck.source.pause();
  fill(stuck.events, stuck.response);
  stuck.events.end();
  expect(stuck.response.destroyed).toBe(true);
});
