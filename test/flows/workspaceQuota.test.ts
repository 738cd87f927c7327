import { afterAll, beforeAll, expect, test } from 'vitest';
import { CreditsApi, expectRefusal, newProject, success } from '../support/creditsApi.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** The quota under saves that come at once, through two web processes. */
const KEY = uniqueName('shared-key');
const LIMIT = 1_048_576;
const FULL = 'Storage limit exceeded. Maximum 1MB allowed.';

let system: TestSystem;
let one: CreditsApi;
let other: CreditsApi;

beforeAll(async () => {
  system = await createTestSystem('workspacequota');
  const environment = { PENORA_API_KEY: KEY };
  const webs = await Promise.all([system.startWeb(environment), system.startWeb(environment)]);
  one = new CreditsApi(webs[0].url, KEY);
  other = new CreditsApi(webs[1].url, KEY);
});

afterAll(() => system.remove());

interface StoredSpace {
  readonly _id: string;
  readonly used_bytes: number;
  readonly projects: number;
}

/** What the counter says, and what the rows sum up to. */
async function accounts(userId: string) {
  const rows = await system.connection.collection('workspace_projects').find({ user_id: userId }).toArray();
  const contents = await system.connection
    .collection('workspace_contents')
    .find({ _id: { $in: rows.map(({ _id }) => _id) } })
    .toArray();
  const space = await system.connection.collection<StoredSpace>('workspace_spaces').findOne({ _id: userId });
  return {
    space: { used_bytes: Number(space?.used_bytes), projects: Number(space?.projects) },
    rows: {
      used_bytes: rows.reduce((sum, row) => sum + Number(row['size_bytes']), 0),
      projects: rows.length,
    },
    contentBytes: contents.reduce((sum, row) => sum + Buffer.byteLength(String(row['content'])), 0),
  };
}

test('of two saves that fit alone but not together exactly one is taken', async () => {
  for (let round = 0; round < 10; round++) {
    const userId = await one.newUser(uniqueName('u'));
    // In every second round the user's first project was saved before.
    if (round % 2 === 1) await one.save(userId, 'x');
    const answers = await Promise.all(
      [one, other].map((api) => api.postSurely('/save-project', newProject(userId, 'x'.repeat(600_000)))),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    for (const answer of answers.filter(({ status }) => status === 400)) expectRefusal(answer, 400, FULL);
    const { space, rows, contentBytes } = await accounts(userId);
    expect(space).toEqual({ used_bytes: 600_000 + (round % 2), projects: 1 + (round % 2) });
    expect([rows, contentBytes]).toEqual([space, space.used_bytes]);
  }
});

test('many saves at once through two processes are taken up to the last byte and not beyond', async () => {
  const userId = await one.newUser(uniqueName('u'));
  const size = LIMIT / 16;
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      (index % 2 === 0 ? one : other).postSurely('/save-project', newProject(userId, 'x'.repeat(size))),
    ),
  );
  const taken = answers.filter(({ status }) => status === 200);
  expect(taken).toHaveLength(16);
  for (const answer of answers.filter(({ status }) => status !== 200)) expectRefusal(answer, 400, FULL);
  expect(new Set(taken.map(({ text }) => JSON.parse(text).project_code)).size).toBe(16);
  expect(new Set(taken.map(({ text }) => JSON.parse(text).storage_remaining_mb)).size).toBe(16);
  expect(await accounts(userId)).toEqual({
    space: { used_bytes: LIMIT, projects: 16 },
    rows: { used_bytes: LIMIT, projects: 16 },
    contentBytes: LIMIT,
  });
});

test('many small saves at once are all taken', async () => {
  const userId = await one.newUser(uniqueName('u'));
  const codes = await Promise.all(
    Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? one : other).save(userId, `small ${index}`)),
  );
  expect(new Set(codes).size).toBe(200);
  const { space, rows, contentBytes } = await accounts(userId);
  expect(space.projects).toBe(200);
  expect([rows, contentBytes]).toEqual([space, space.used_bytes]);
});

test('saves and deletions at once keep the count exact', async () => {
  const userId = await one.newUser(uniqueName('u'));
  const codes: string[] = [];
  for (let saved = 0; saved < 10; saved++) codes.push(await one.save(userId, 'x'.repeat(100_000)));
  await Promise.all([
    ...codes.flatMap((code) =>
      [one, other].map((api) => api.delete(`/workspace/projects/${code}?user_id=${userId}`)),
    ),
    ...Array.from({ length: 10 }, () => other.post('/save-project', newProject(userId, 'y'.repeat(150_000)))),
  ]);
  const { space, rows, contentBytes } = await accounts(userId);
  expect([rows, contentBytes]).toEqual([space, space.used_bytes]);
  expect(space.used_bytes).toBeLessThanOrEqual(LIMIT);
  expect(space.used_bytes % 150_000).toBe(0);
  const { projects } = await success(one.get(`/user-projects?user_id=${userId}`));
  expect(projects).toHaveLength(space.projects);
});
