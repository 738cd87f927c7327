import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CreditsApi, success } from '../support/creditsApi.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** What stands beside the contract: the list in pages, and deleting. */
const KEY = uniqueName('shared-key');
const LIMIT = 1_048_576;

let system: TestSystem;
let api: CreditsApi;

beforeAll(async () => {
  system = await createTestSystem('workspacepages');
  const web = await system.startWeb({ PENORA_API_KEY: KEY });
  api = new CreditsApi(web.url, KEY);
});

afterAll(() => system.remove());

const newUser = () => api.newUser(uniqueName('u'));
const stats = (userId: string) => success(api.get(`/storage-stats?user_id=${userId}`));

async function page(userId: string, query = '') {
  const answer = await api.get(`/workspace/projects?user_id=${userId}${query}`);
  expect(answer.status, answer.text).toBe(200);
  return JSON.parse(answer.text);
}

async function deletion(userId: string, code: string, headers = {}) {
  const answer = await api.delete(`/workspace/projects/${code}?user_id=${userId}`, headers);
  return { status: answer.status, headers: answer.headers, text: answer.text, body: JSON.parse(answer.text) };
}

describe('pages', () => {
  test('show everything but the contents, newest first', async () => {
    const userId = await newUser();
    await api.save(userId, 'one two', { title: 'First', metadata: { a: 1 } });
    const code = await api.save(userId, 'x', { app_source: 'imagegene', project_type: 'image' });
    const { user_id, projects, next_cursor } = await page(userId);
    expect([user_id, projects.length, next_cursor]).toEqual([userId, 2, null]);
    expect(projects[0]).toMatchObject({ code, app_source: 'imagegene', project_type: 'image' });
    expect(projects[1]).toEqual({
      code: expect.stringMatching(/^[A-Z0-9]{6}$/),
      title: 'First',
      app_source: 'penora',
      project_type: 'text',
      size_bytes: 7,
      word_count: 2,
      metadata: { a: 1 },
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updated_at: projects[1].created_at,
    });
  });

  test('do not shift when projects are saved and deleted meanwhile, also of one moment', async () => {
    const userId = await newUser();
    const codes: string[] = [];
    for (let saved = 0; saved < 11; saved++) codes.unshift(await api.save(userId, `${saved}`));
    await system.connection
      .collection('workspace_projects')
      .updateMany(
        { user_id: userId, code: { $in: codes.slice(0, 8) } },
        { $set: { updated_at: new Date() } },
      );
    const seen: string[] = [];
    let cursor = '';
    do {
      const answer = await page(userId, `&limit=4${cursor}`);
      seen.push(...answer.projects.map(({ code }: { code: string }) => code));
      cursor = answer.next_cursor === null ? '' : `&cursor=${answer.next_cursor}`;
      await api.save(userId, 'newer than all');
      expect((await deletion(userId, String(seen.at(-1)))).status).toBe(200);
    } while (cursor !== '');
    expect(seen).toEqual(codes);
  });

  test('name the next one in a Link header, without the key', async () => {
    const userId = await newUser();
    for (const content of ['a', 'b', 'c']) await api.save(userId, content);
    const first = await api.ask(`/api/unified/workspace/projects?user_id=${userId}&limit=2`, {
      headers: { 'X-API-Key': KEY },
    });
    const next = /^<([^>]+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    expect(next).not.toContain(KEY);
    const last = await api.ask(next, { headers: { 'X-API-Key': KEY } });
    expect(JSON.parse(last.text)).toMatchObject({ projects: [{ size_bytes: 1 }], next_cursor: null });
    expect(last.headers.get('link')).toBe(null);
  });

  test('may be of one app', async () => {
    const userId = await newUser();
    await api.save(userId, 'text');
    const image = await api.save(userId, 'image', { app_source: 'imagegene' });
    expect(await page(userId, '&app=imagegene')).toMatchObject({
      projects: [{ code: image }],
      next_cursor: null,
    });
    expect((await page(userId, '&app=nothing')).projects).toEqual([]);
    expect((await page(uniqueName('unknown'))).projects).toEqual([]);
  });

  test.each([
    '',
    'user_id=',
    'user_id=u&limit=0',
    'user_id=u&limit=201',
    'user_id=u&limit=x',
    'user_id=u&cursor=x',
  ])('with ?%s are 400 in problem details', async (query) => {
    const answer = await api.get(`/workspace/projects?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(JSON.parse(answer.text)).toMatchObject({
      status: 400,
      instance: '/api/unified/workspace/projects',
    });
  });

  test('need a key', async () => {
    expect((await api.ask('/api/unified/workspace/projects?user_id=u')).status).toBe(401);
    const answer = await api.ask('/api/unified/workspace/projects/ABCDEF?user_id=u', { method: 'DELETE' });
    expect(answer.status).toBe(401);
  });
});

describe('deleting', () => {
  test('gives the bytes back', async () => {
    const userId = await newUser();
    const code = await api.save(userId, 'x'.repeat(LIMIT - 10));
    await api.save(userId, 'y'.repeat(10), { app_source: 'imagegene' });
    expect((await deletion(userId, code)).body).toEqual({
      code,
      freed_bytes: LIMIT - 10,
      storage: { used_bytes: 10, limit_bytes: LIMIT, projects: 1 },
    });
    expect(await stats(userId)).toMatchObject({
      storage_stats: { used_mb: 0, available_mb: 1 },
      breakdown: { penora_mb: 0, penora_projects: 0, imagegene_projects: 1, total_projects: 1 },
    });
    expect((await api.get(`/project/${code}?user_id=${userId}`)).status).toBe(404);
    expect((await success(api.get(`/user-projects?user_id=${userId}`))).total_projects).toBe(1);
    await api.save(userId, 'z'.repeat(LIMIT - 10));
    expect((await api.post('/save-project', { ...SMALL, user_id: userId })).status).toBe(400);
  });

  const SMALL = { app_source: 'penora', project_type: 'text', title: 't', content: 'x' };

  test('leaves no content behind', async () => {
    const userId = await newUser();
    const code = await api.save(userId, uniqueName('content'));
    const stored = await system.connection.collection('workspace_projects').findOne({ code });
    if (!stored) throw new Error('The project is not stored');
    const contents = system.connection.collection('workspace_contents');
    expect(await contents.countDocuments({ _id: stored._id })).toBe(1);
    await deletion(userId, code);
    expect(await contents.countDocuments({ _id: stored._id })).toBe(0);
  });

  test('of somebody else’s, an unknown or a deleted one is 404', async () => {
    const [owner, other] = [await newUser(), await newUser()];
    const code = await api.save(owner, 'x');
    expect((await deletion(other, code)).body).toMatchObject({
      status: 404,
      detail: 'The user has no such project',
    });
    expect((await deletion(owner, 'NOSUCH')).status).toBe(404);
    expect((await deletion(owner, code)).status).toBe(200);
    expect((await deletion(owner, code)).status).toBe(404);
  });

  test('without user_id is 400', async () => {
    expect((await api.delete('/workspace/projects/ABCDEF')).status).toBe(400);
  });

  test('many times at once gives the bytes back once', async () => {
    const userId = await newUser();
    const code = await api.save(userId, 'x'.repeat(1_000));
    await api.save(userId, 'y'.repeat(500));
    const answers = await Promise.all(Array.from({ length: 20 }, () => deletion(userId, code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([
      200,
      ...Array.from({ length: 19 }, () => 404),
    ]);
    const space = await system.connection
      .collection<{ _id: string }>('workspace_spaces')
      .findOne({ _id: userId });
    expect(space).toMatchObject({ used_bytes: 500, projects: 1 });
  });

  test('under an Idempotency-Key answers a repeat as the first', async () => {
    const userId = await newUser();
    const code = await api.save(userId, 'x');
    const key = { 'Idempotency-Key': uniqueName('key') };
    const first = await deletion(userId, code, key);
    const again = await deletion(userId, code, key);
    expect([again.status, again.text, again.headers.get('idempotency-replayed')]).toEqual([
      200,
      first.text,
      'true',
    ]);
    expect((await deletion(userId, 'OTHER1', key)).status).toBe(422);
  });
});
