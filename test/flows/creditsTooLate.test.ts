import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CreditsAnswer, CreditsApi, newProject, success } from '../support/creditsApi.ts';
import { type MongoLink, openMongoLink } from '../support/mongoLink.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** MongoDB hangs for longer than a client waits, and then goes on: whoever was told to come back has changed nothing. */
const KEY = uniqueName('shared-key');

let system: TestSystem;
let link: MongoLink;
let api: CreditsApi;

beforeAll(async () => {
  system = await createTestSystem('creditstoolate');
  link = await openMongoLink(system.mongoUrl);
  const environment = { PENORA_API_KEY: KEY, CREDITS_AUTO_CREATE: '1', MONGODB_URL: link.url };
  api = new CreditsApi((await system.startWeb(environment)).url, KEY);
});

afterAll(async () => {
  await link.close();
  await system.remove();
});

async function newUsers(count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, () => api.newUser(uniqueName('u'), 100)));
}

/** Sends the requests to a MongoDB that does not answer, and lets it answer when all of them were told to come back. */
async function sendTooEarly(send: () => readonly Promise<CreditsAnswer>[]): Promise<void> {
  link.hang();
  try {
    for (const { status, text } of await Promise.all(send())) expect(status, text).toBe(503);
  } finally {
    link.release();
  }
}

test('a user at the first contact is neither charged nor given anything', async () => {
  const users = await newUsers(6);
  await sendTooEarly(() =>
    users.map((user_id, index) =>
      index % 2 === 0
        ? api.post('/deduct-credits', { user_id, amount: 10, app_name: 'penora' })
        : api.post('/add-credits', { user_id, amount: 10 }),
    ),
  );
  for (const user_id of users) {
    const next = { user_id, amount: 1, app_name: 'penora' };
    expect(await success(api.postSurely('/deduct-credits', next))).toMatchObject({ new_balance: 99 });
    expect((await success(api.get(`/transactions?user_id=${user_id}`))).total_count).toBe(3);
  }
});

test('a user who is being created is not there', async () => {
  const user_id = uniqueName('u');
  const user = { user_id, username: 'n', email: 'e@example.test' };
  await sendTooEarly(() => [api.post('/create-user', user)]);
  // Its own creation comes after what is still on the way in the same process.
  expect(await success(api.postSurely('/create-user', { ...user, initial_credits: 77 }))).toMatchObject({
    user: { credits: 77 },
  });
});

test('projects are neither saved nor deleted', async () => {
  const users = await newUsers(5);
  const codes = await Promise.all(users.map((user) => api.save(user, 'the first')));
  await sendTooEarly(() =>
    users.flatMap((user, index) => [
      api.post('/save-project', newProject(user, 'too late')),
      api.delete(`/workspace/projects/${codes[index]}?user_id=${user}`),
    ]),
  );
  for (const user of users) {
    await api.save(user, 'the next');
    const { projects } = await success(api.get(`/user-projects?user_id=${user}`));
    expect(projects.map(({ content }: { content: string }) => content)).toEqual(['the next', 'the first']);
  }
});
