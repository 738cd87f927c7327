import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { EventSource } from '../support/eventSource.ts';
import { expectIconsRefusal, IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { LiveClient } from '../support/liveClient.ts';
import { waitFor } from '../support/waitFor.ts';

/** Images that run at a time; after so many comes a `batch_progress`. */
const SLICE = 3;
const variables = { BATCH_SIZE_DEFAULT: String(SLICE) };

let icons: IconsSystem;
let webs: readonly { readonly url: string }[];
const clients: LiveClient[] = [];

beforeAll(async () => {
  icons = await createIconsSystem('icons-live');
  const [one, other] = await Promise.all([
    icons.startWeb(variables),
    icons.startWeb(variables),
    icons.startWorker(variables),
    icons.startWorker(variables),
  ]);
  webs = [one, other];
});
afterAll(() => icons?.remove());
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  icons.openai.behave(() => undefined);
});

function urlOf(web: 0 | 1): string {
  const url = webs[web]?.url;
  if (url === undefined) throw new Error('There is no such web process');
  return url;
}

function kept(client: LiveClient): LiveClient {
  clients.push(client);
  return client;
}

const socketIo = async (web: 0 | 1, token?: string) => kept(await LiveClient.socketIo(urlOf(web), token));

/** A person with their credential. */
async function newPerson() {
  const { token } = await icons.newAccount();
  return { token, api: new IconsApi(urlOf(0), token) };
}

const categoriesOf = (count: number, label: string) =>
  Array.from({ length: count }, (_, index) => `${label} ${index}`);

/** Makes so many images and keeps the answers of all others back, so that clients join in the middle. @returns lets them go */
function holdCallsAfter(made: number): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  icons.openai.behave(() => (begun++ < made ? undefined : { kind: 'make', until: promise }));
  return resolve;
}

test('clients on two web processes see every progress in order and one end; somebody else sees nothing', async () => {
  const goOn = holdCallsAfter(0);
  const { token, api } = await newPerson();
  const stranger = (await newPerson()).token;
  const [one, other, polling, third] = await Promise.all([
    socketIo(0, token),
    socketIo(1, token),
    LiveClient.socketIo(urlOf(1), token, ['polling']).then(kept),
    socketIo(1, stranger),
  ]);
  const total = 4 * SLICE;
  const batchId = await api.start({ categories: categoriesOf(total, 'watched') });
  for (const client of [one, other, polling, third]) client.send('join_batch', { batch_id: batchId });

  const watchers = [one, other, polling];
  // The answer to the joining: the state so far.
  for (const watcher of watchers) await watcher.first('batch_progress');
  goOn();
  for (const watcher of watchers) await watcher.first('job_completed');
  for (const watcher of watchers) {
    const seen = watcher.of('batch_progress');
    const done = seen.map(({ completed }) => completed);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    // Besides the state at the joining there is one for each slice.
    expect([...new Set(done)].filter((count) => count > 0)).toEqual([3, 6, 9, 12]);
    expect(seen.at(-1)).toEqual({
      batch_id: batchId,
      progress: 100,
      current_category: expect.stringContaining('watched'),
      completed: total,
      total,
      status: 'running',
      successful: total,
      failed: 0,
      completed_categories: total,
      total_categories: total,
    });
    expect(watcher.of('job_output')).toHaveLength(total);
    expect(watcher.of('job_output')).toEqual(one.of('job_output'));
    expect(watcher.of('job_completed')).toEqual([
      { job_id: batchId, summary: `${total} of ${total} icons generated` },
    ]);
  }
  expect(third.events).toEqual([
    { type: 'connected', data: { message: 'Connected to server' } },
    { type: 'join_refused', data: { batch_id: batchId, message: expect.stringContaining('no such batch') } },
  ]);
});

test('who joins late gets the current state first, then what follows', async () => {
  const goOn = holdCallsAfter(2 * SLICE);
  const { token, api } = await newPerson();
  const total = 5 * SLICE;
  const batchId = await api.start({ categories: categoriesOf(total, 'late') });
  await waitFor('the middle', async () =>
    (await api.status(batchId)).body.successful >= 2 * SLICE ? true : undefined,
  );
  const late = await socketIo(1, token);
  const state = await late.first('batch_progress');
  expect(late.events.findIndex(({ type }) => type !== 'connected')).toBe(
    late.events.findIndex(({ type }) => type === 'batch_progress'),
  );
  expect(state.completed).toBeGreaterThanOrEqual(2 * SLICE);
  late.send('subscribe_batch', { batch_id: batchId });
  expect(await late.first('subscribed')).toEqual({ batch_id: batchId, room: batchId });
  goOn();
  await late.first('job_completed');
  const done = late.of('batch_progress').map(({ completed }) => completed);
  expect(done).toEqual([...done].sort((a, b) => a - b));
  expect(late.of('job_output')).toHaveLength(total - state.completed);

  const afterwards = await socketIo(0, token);
  afterwards.send('subscribe_job', { job_id: batchId });
  await afterwards.first('job_completed');
  expect(afterwards.events.map(({ type }) => type)).toEqual(['connected', 'batch_progress', 'job_completed']);
});

test('who has left sees nothing more of the batch, and a cancelled batch says so', async () => {
  const [left, cancelled] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let begun = 0;
  icons.openai.behave(() => {
    begun += 1;
    if (begun === 1) return undefined;
    return { kind: 'make', until: begun <= SLICE ? left.promise : cancelled.promise };
  });
  const { token, api } = await newPerson();
  const [gone, there] = await Promise.all([socketIo(0, token), socketIo(0, token)]);
  const batchId = await api.start({ categories: categoriesOf(4 * SLICE, 'left') });
  await gone.first('job_output');
  gone.send('leave_batch', { batch_id: batchId });
  // Answered in the order of the messages: after it nothing is followed any more.
  gone.send('join_batch', { batch_id: 'none' });
  await gone.first('join_refused');
  const seen = gone.events.length;
  left.resolve();
  await there.first('batch_progress', ({ completed }) => completed === SLICE);
  expect((await api.cancel(batchId)).status).toBe(200);
  cancelled.resolve();
  const last = await there.first('batch_progress', ({ status }) => status === 'cancelled');
  expect(last.completed).toBeLessThan(4 * SLICE);
  expect(gone.events).toHaveLength(seen);
});

test('without a token one may connect, and join nothing', async () => {
  const { api } = await newPerson();
  const batchId = await api.start({ categories: ['closed'] });
  for (const anonymous of [await socketIo(0), await socketIo(1, 'no-token')]) {
    for (const message of [{ batch_id: batchId }, { batch_id: { $ne: 1 } }, {}]) {
      anonymous.send('join_batch', message);
    }
    await waitFor('three refusals', async () => anonymous.of('join_refused').length === 3 || undefined);
    expect(anonymous.of('join_refused').map(({ batch_id }) => batch_id)).toEqual([batchId, null, null]);
    expect(anonymous.of('batch_progress')).toEqual([]);
  }
});

test('the raw WebSocket tells an owner everything, with its time', async () => {
  const { token, api } = await newPerson();
  const byHeader = kept(await LiveClient.raw(urlOf(0), { authorization: `Bearer ${token}` }));
  const byMessage = kept(await LiveClient.raw(urlOf(1)));
  byMessage.send('auth', { token });
  byMessage.send('join_batch', { batch_id: 'none' });
  await byMessage.first('join_refused');
  const before = Date.now() / 1_000;
  const batchId = await api.start({ categories: categoriesOf(2 * SLICE, 'raw') });
  for (const client of [byHeader, byMessage]) {
    await client.first('job_completed');
    const progress = client.of('batch_progress');
    expect(progress.map(({ batch_id, completed }) => [batch_id, completed])).toEqual([
      [batchId, SLICE],
      [batchId, 2 * SLICE],
    ]);
    for (const { timestamp } of progress) expect(timestamp).toBeGreaterThanOrEqual(before - 1);
  }
  const wrong = kept(await LiveClient.raw(urlOf(0)));
  wrong.send('auth', { token: 'wrong' });
  await wrong.end();
});

test('server-sent events go on where the reader stopped, at another web process', async () => {
  const goOn = holdCallsAfter(2 * SLICE);
  const { token, api } = await newPerson();
  const stranger = (await newPerson()).token;
  const total = 4 * SLICE;
  const batchId = await api.start({ categories: categoriesOf(total, 'streamed') });
  const path = `/api/icons/batch/${batchId}/events`;
  const authorization = `Bearer ${token}`;

  const first = await EventSource.open(`${urlOf(0)}${path}`, { authorization });
  expect(first.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  const seen = [...(await first.count(4))];
  first.close();
  const lastId = seen.at(-1)?.id ?? '';
  const second = await EventSource.open(`${urlOf(1)}${path}`, { authorization, 'last-event-id': lastId });
  goOn();
  await waitFor('the end', async () => second.ended || undefined);
  const ids = [...seen, ...second.events].map(({ id }) => Number(id));
  const from = ids[0] ?? 0;
  expect(ids).toEqual(ids.map((_, index) => from + index));
  expect(second.events.at(-1)?.event).toBe('job_completed');

  const whole = await EventSource.open(`${urlOf(1)}${path}`, { authorization, 'last-event-id': '0' });
  await waitFor('the end', async () => whole.ended || undefined);
  expect(whole.events.map(({ id }) => Number(id))).toEqual(whole.events.map((_, index) => index + 1));
  expect(whole.events.filter(({ event }) => event === 'job_output')).toHaveLength(total);

  const end = second.events.at(-1)?.id ?? '';
  const nothingLeft = await EventSource.open(`${urlOf(0)}${path}`, { authorization, 'last-event-id': end });
  expect(nothingLeft.status).toBe(204);
  const refused = await EventSource.open(`${urlOf(0)}${path}`, { authorization: `Bearer ${stranger}` });
  expect(refused.status).toBe(404);
  for (const source of [whole, second, nothingLeft, refused]) source.close();

  const late = await EventSource.open(`${urlOf(0)}${path}`, { authorization });
  await waitFor('the end', async () => late.ended || undefined);
  expect(late.events.map(({ event }) => event)).toEqual(['batch_progress', 'job_completed']);
  for (const cut of [1, 2]) {
    const before = late.events.slice(0, cut);
    const id = before.findLast((event) => event.id !== '')?.id;
    const rest = await EventSource.open(`${urlOf(1)}${path}`, {
      authorization,
      ...(id === undefined ? {} : { 'last-event-id': id }),
    });
    await waitFor('the end', async () => rest.ended || undefined);
    expect([...before, ...rest.events].map(({ event }) => event)).toContain('job_completed');
  }
});

test('in open mode everybody is one user, who may join, and foreign pages may start nothing', async () => {
  const open = await icons.startWeb({ ...variables, ICONS_OPEN_MODE: '1', CORS_ORIGINS: 'https://app.test' });
  const { token } = await newPerson();
  const [anonymous, person] = [
    kept(await LiveClient.socketIo(open.url)),
    kept(await LiveClient.socketIo(open.url, token)),
  ];
  const raw = kept(await LiveClient.raw(open.url));
  const api = new IconsApi(open.url);
  const before = Date.now() / 1_000;
  const answer = await api.post('/api/icons/generate/batch', { categories: ['open'] });
  expect(answer.status).toBe(200);
  const { batch_id } = answer.body;
  for (const client of [anonymous, person]) {
    client.send('subscribe_batch', { batch_id });
    await client.first('subscribed');
    await client.first('job_completed');
  }
  await raw.first('job_completed');
  const progress = raw.of('batch_progress').at(-1);
  expect(Object.keys(progress)).toEqual([
    'type',
    'batch_id',
    'progress',
    'current_category',
    'completed',
    'total',
    'status',
    'successful',
    'failed',
    'completed_categories',
    'total_categories',
    'timestamp',
  ]);
  expect(progress).toMatchObject({ type: 'batch_progress', batch_id, completed: 1, total: 1 });
  expect(progress.timestamp).toBeGreaterThan(before - 1);
  expect(progress.timestamp).toBeLessThan(Date.now() / 1_000 + 1);

  const from = (origin: string) =>
    api.post('/api/icons/generate/batch', { categories: ['paged'] }, { Origin: origin });
  for (const origin of ['https://evil.test', 'null', open.url.replace('127.0.0.1', 'localhost')]) {
    expectIconsRefusal(await from(origin), 403, {
      message: 'Only pages of this server and of CORS_ORIGINS may do this',
    });
  }
  for (const origin of ['https://app.test', open.url]) expect((await from(origin)).status).toBe(200);
});

test('a web process that stops ends its live connections and is gone', async () => {
  const goOn = holdCallsAfter(0);
  const web = await icons.startWeb(variables);
  const { token, api } = await newPerson();
  const batchId = await api.start({ categories: categoriesOf(2 * SLICE, 'stopped') });
  const client = kept(await LiveClient.socketIo(web.url, token));
  const raw = kept(await LiveClient.raw(web.url, { authorization: `Bearer ${token}` }));
  const stream = await EventSource.open(`${web.url}/api/icons/batch/${batchId}/events`, {
    authorization: `Bearer ${token}`,
  });
  process.kill(web.pid, 'SIGTERM');
  await Promise.all([client.end(), raw.end()]);
  expect(await web.exited).toEqual({ code: 0, signal: null });
  await waitFor('the end', async () => stream.ended || undefined);
  goOn();
});
