import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { AuthApi, addAccount } from '../support/authApi.ts';
import { CreditsClient } from '../support/creditsClient.ts';
import { EventSource } from '../support/eventSource.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/** Live balances. Every reader is at the first process; the writes go through the second one. */
let system: TestSystem;
let reading: CreditsClient;
let writing: CreditsClient;
const open: EventSource[] = [];

beforeAll(async () => {
  system = await createTestSystem('stream');
  const environment = { JWT_SECRET: randomBytes(32).toString('base64url') };
  const [first, second] = await Promise.all([system.startWeb(environment), system.startWeb()]);
  reading = new CreditsClient(first, system);
  writing = new CreditsClient(second, system);
});

afterEach(() => {
  for (const source of open.splice(0)) source.close();
});
afterAll(() => system.remove());

async function watch(userId: string, url = reading.url, credential = system.adminKey): Promise<EventSource> {
  const source = await EventSource.open(`${url}/api/unified/balance/stream?user_id=${userId}`, {
    Authorization: `Bearer ${credential}`,
  });
  open.push(source);
  return source;
}

test('the current balance comes first, then every change, whatever process made it', async () => {
  const user = await writing.newUser(uniqueName('user'), 60);
  const source = await watch(user);
  expect(source.status).toBe(200);
  expect(source.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  });
  const [first] = await source.count(1);
  expect(first).toMatchObject({ event: 'balance' });
  expect(JSON.parse(first?.data ?? '')).toEqual({ user_id: user, credits: 60, held: 0 });

  await writing.expect(200, writing.deduct(user, 5));
  await source.data(({ credits }) => credits === 55);
  const { hold_id } = await reading.hold(user, 20);
  await source.data(({ credits, held }) => credits === 35 && held === 20);
  await writing.expect(200, writing.post(`/holds/${hold_id}/capture`));
  const last = await source.data(({ credits, held }) => credits === 35 && held === 0);
  expect(source.events.at(-1)).toEqual(last);

  const ids = source.events.map(({ id }) => Number(id));
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  // Who comes back begins with what is true now.
  const again = await watch(user);
  expect((await again.count(1))[0]).toEqual(last);
});

test('many readers of one user and of others all end up right, through a storm of writes', async () => {
  const users = [
    await writing.newUser(uniqueName('user'), 500),
    await writing.newUser(uniqueName('user'), 90),
  ];
  const sources = await Promise.all(
    users.flatMap((user) =>
      Array.from({ length: 10 }, (_, index) => watch(user, index % 2 ? reading.url : writing.url)),
    ),
  );
  await Promise.all(sources.map((source) => source.count(1)));
  await Promise.all(
    users.flatMap((user, index) =>
      Array.from({ length: index === 0 ? 200 : 40 }, (_, count) =>
        writing.expect(200, (count % 2 ? reading : writing).deductSurely(user, 1)),
      ),
    ),
  );
  for (const [index, source] of sources.entries()) {
    const expected = index < 10 ? 300 : 50;
    await source.data(({ credits }) => credits === expected);
    const seen = source.events.map(({ data }) => JSON.parse(data).credits);
    expect(seen, 'never an older balance after a newer one').toEqual([...seen].sort((a, b) => b - a));
    expect(seen.at(-1)).toBe(expected);
  }
});

test('word of a change that got lost is made good', async () => {
  const user = await writing.newUser(uniqueName('user'), 60);
  const source = await watch(user);
  await source.count(1);
  // A change that nobody tells of: the next word of that user brings it along.
  await system.connection
    .collection<{ _id: string }>('credit_accounts')
    .updateOne({ _id: user }, { $inc: { version: 1 }, $set: { available: 59 } });
  await system.redis.publish(`{${system.prefix}:credits}:balances`, 'no list of ids');
  await system.redis.publish(`{${system.prefix}:credits}:balances`, JSON.stringify([user]));
  await source.data(({ credits }) => credits === 59);
});

test.each([
  ['', 400],
  ['?user_id=', 400],
  ['?user_id=nobody', 404],
])('a stream with %j is %i', async (query, status) => {
  const problem = await reading.expect(status, reading.get(`/balance/stream${query}`));
  expect(problem).toMatchObject({ status });
});

test('an account watches twenty times at most, and leaves the rest to others', async () => {
  const user = await writing.newUser(uniqueName('user'), 60);
  const tokenOf = async () => {
    const email = `${uniqueName('member')}@example.test`;
    const { password } = await addAccount(system, {
      kind: 'person',
      roles: ['member'],
      email,
      credits_user_id: user,
    });
    return (await new AuthApi(reading.url).json('/api/auth/login', { email, password })).body.access_token;
  };
  const token = await tokenOf();
  const sources = await Promise.all(Array.from({ length: 30 }, () => watch(user, reading.url, token)));
  const refused = sources.filter(({ status }) => status !== 200);
  expect(refused.map(({ status }) => status)).toEqual(Array(10).fill(503));
  expect(refused[0]?.headers['retry-after']).toBe('10');
  expect((await watch(user, reading.url, await tokenOf())).status, 'another account').toBe(200);
  expect((await watch(user)).status, 'a key').toBe(200);
  sources.find(({ status }) => status === 200)?.close();
  await waitFor('there is room again', async () =>
    (await watch(user, reading.url, token)).status === 200 ? true : undefined,
  );
});

test('HEAD is answered and ends', async () => {
  const user = await writing.newUser(uniqueName('user'), 60);
  const answer = await reading.send('HEAD', `/balance/stream?user_id=${user}`);
  expect([answer.status, answer.text]).toEqual([200, '']);
});

test('a process that is stopped ends its streams and stops at once', async () => {
  const user = await writing.newUser(uniqueName('user'), 60);
  const web = await system.startWeb({ DRAIN_TIMEOUT_SECONDS: '10' });
  const sources = await Promise.all(Array.from({ length: 5 }, () => watch(user, web.url)));
  await Promise.all(sources.map((source) => source.count(1)));
  // One that takes nothing in must not keep the process either.
  sources[0]?.pause();
  web.kill('SIGTERM');
  // One that had to be stopped by its own limit would say 1.
  expect(await web.exited).toEqual({ code: 0, signal: null });
  for (const source of sources) source.resume();
  await waitFor('the readers notice', async () => (sources.every(({ ended }) => ended) ? true : undefined));
});
