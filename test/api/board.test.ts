import { expect, onTestFinished, test } from 'vitest';
import { REFUSALS, startOwnRedis } from '../support/ownRedis.ts';
import { waitFor } from '../support/waitFor.ts';
import { type ApiServer, startApiServer } from './apiServer.ts';

async function startBoard(redisUrl?: string) {
  const api = await startApiServer(redisUrl === undefined ? {} : { redisUrl });
  onTestFinished(() => api.close());
  return { api, put: (path: string, body?: string) => send(api, 'PUT', path, body) };
}

function send({ url, board }: ApiServer, method: string, path: string, body?: string) {
  return fetch(`${url}/admin/queues/api/queues/usage${path}`, {
    method,
    headers: {
      Authorization: `Basic ${Buffer.from(`${board.username}:${board.password}`).toString('base64')}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
  });
}

test.each(REFUSALS)('the board of a Redis that $name says that it is away', async ({ begin, end }) => {
  const { server, operator } = await startOwnRedis();
  const { put } = await startBoard(server.url);
  await begin(operator);
  const refused = await put('/pause');
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('2');
  await end(operator);
  await waitFor('it works again', async () => ((await put('/pause')).status === 200 ? true : undefined));
});

test('what is not in the state for it is refused, and so is what cannot be read', async () => {
  const { api, put } = await startBoard();
  const [queue] = api.queues.all().filter(({ name }) => name === 'usage');
  const job = await queue?.add('store-reports', {});
  expect((await put(`/${job?.id}/promote`)).status).toBe(409);
  expect((await put('/pause', '{')).status).toBe(400);
});
