import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CreditsApi, expectRefusal, newProject, success, TIMESTAMP } from '../support/creditsApi.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** The workspace half of the contract, row by row: every success and every refusal. */
const KEY = uniqueName('shared-key');
const LIMIT = 1_048_576;
const FULL = 'Storage limit exceeded. Maximum 1MB allowed.';

let system: TestSystem;
let api: CreditsApi;

beforeAll(async () => {
  system = await createTestSystem('workspacecontract');
  const web = await system.startWeb({ PENORA_API_KEY: KEY });
  api = new CreditsApi(web.url, KEY);
});

afterAll(() => system.remove());

const newUser = () => api.newUser(uniqueName('u'));
const list = (userId: string, query = '') => success(api.get(`/user-projects?user_id=${userId}${query}`));
const stats = (userId: string) => success(api.get(`/storage-stats?user_id=${userId}`));
const codesOf = (projects: { code: string }[]) => projects.map(({ code }) => code);

describe('POST save-project', () => {
  test('saves an image under IMG_ and a text under six characters', async () => {
    const userId = await newUser();
    const content = 'x'.repeat(LIMIT / 2);
    const image = { app_source: 'imagegene', project_type: 'ai_art', title: 'Generated art' };
    expect(await success(api.post('/save-project', newProject(userId, content, image)))).toEqual({
      success: true,
      project_code: expect.stringMatching(/^IMG_[A-Z0-9]{6}$/),
      title: 'Generated art',
      size_mb: 0.5,
      storage_remaining_mb: 0.5,
      app_source: 'imagegene',
      timestamp: expect.stringMatching(TIMESTAMP),
    });
    expect(await api.save(userId, 'a text')).toMatch(/^[A-Z0-9]{6}$/);
    expect(await api.save(userId, 'any app', { app_source: 'another' })).toMatch(/^[A-Z0-9]{6}$/);
  });

  test('always makes a new one', async () => {
    const userId = await newUser();
    const codes = [await api.save(userId, 'the same'), await api.save(userId, 'the same')];
    expect(new Set(codes).size).toBe(2);
    expect((await list(userId)).total_projects).toBe(2);
  });

  test.each([
    ['exactly 1,048,576 bytes', ['x'.repeat(LIMIT)]],
    ['as much in two halves', ['x'.repeat(LIMIT / 2), 'y'.repeat(LIMIT / 2)]],
    ['characters of several bytes', ['é'.repeat(LIMIT / 2 - 2), '🙂']],
    ['1,048,575 bytes and one', ['x'.repeat(LIMIT - 1), 'y']],
  ])('%s fit, and one byte more does not', async (_what, contents) => {
    const userId = await newUser();
    let last = {};
    for (const content of contents)
      last = await success(api.post('/save-project', newProject(userId, content)));
    expect(last).toMatchObject({ storage_remaining_mb: 0 });
    expectRefusal(await api.post('/save-project', newProject(userId, 'z')), 400, FULL);
    expect((await stats(userId)).storage_stats).toEqual({
      used_mb: 1,
      limit_mb: 1,
      available_mb: 0,
      usage_percentage: 100,
    });
    expect((await list(userId)).projects.map(({ content }: { content: string }) => content)).toEqual(
      contents.toReversed(),
    );
  });

  test.each([
    ['1,048,577 bytes', 'x'.repeat(LIMIT + 1)],
    ['fewer characters than that, but more bytes', `${'é'.repeat(LIMIT / 2)}x`],
    ['a body of almost 8 MB', 'x'.repeat(8 * LIMIT - 1_000)],
  ])('%s are refused, and leave nothing behind', async (_what, content) => {
    const userId = await newUser();
    expectRefusal(await api.post('/save-project', newProject(userId, content)), 400, FULL);
    expect((await stats(userId)).breakdown.total_projects).toBe(0);
    await api.save(userId, 'x'.repeat(LIMIT));
  });

  test('title and metadata do not count', async () => {
    const userId = await newUser();
    await api.save(userId, 'x'.repeat(LIMIT), {
      title: 'T'.repeat(10_000),
      metadata: { note: 'x'.repeat(10_000) },
    });
  });

  test('of an unknown user is 404', async () => {
    for (const content of ['x', 'x'.repeat(LIMIT + 1)]) {
      const answer = await api.post('/save-project', newProject(uniqueName('unknown'), content));
      expectRefusal(answer, 404, 'User not found');
    }
  });

  const FIELDS = ['user_id', 'app_source', 'project_type', 'title', 'content'];
  test.each(FIELDS.flatMap((field) => [undefined, null, ''].map((value) => [field, value] as const)))(
    'with the %s %j lacks a field',
    async (field, value) => {
      const answer = await api.post('/save-project', { ...newProject('u', 'x'), [field]: value });
      const error = 'Missing required fields: user_id, app_source, project_type, title, content';
      expectRefusal(answer, 400, error);
    },
  );

  test.each<[object, string]>([
    ...FIELDS.map((field): [object, string] => [{ [field]: 7 }, `${field} must be a string`]),
    [{ content: 'half a pair \ud83d' }, 'content must be valid Unicode'],
    [{ title: 'x'.repeat(10_001) }, 'title must be at most 10000 characters'],
    [{ app_source: 'x'.repeat(201) }, 'app_source must be at most 200 characters'],
    [{ project_type: 'a\tb' }, 'project_type must not contain control characters'],
    [{ metadata: 'text' }, 'metadata must be an object'],
    [{ metadata: [1] }, 'metadata must be an object'],
    [{ metadata: { note: 'x'.repeat(65_536) } }, 'metadata must be at most 65536 bytes of JSON'],
  ])('with %j is refused', async (more, error) => {
    expectRefusal(await api.post('/save-project', { ...newProject('u', 'x'), ...more }), 400, error);
  });

  test('keeps text, base64 and odd characters, and metadata with any names', async () => {
    const userId = await newUser();
    const saved = [
      {
        content: 'Dòng một\r\nline two\u0000end',
        metadata: { $set: 1, 'a.b': { '': null }, __proto__x: [1, 'two'] },
      },
      { content: 'data:image/png;base64,iVBORw0KGgo=', metadata: null },
      { content: 'https://example.test/icons/1.png', metadata: undefined },
    ];
    for (const { content, metadata } of saved) await api.save(userId, content, { metadata });
    expect(
      (await list(userId)).projects.map(({ content, metadata }: Record<string, unknown>) => ({
        content,
        metadata,
      })),
    ).toEqual(saved.map(({ content, metadata }) => ({ content, metadata: metadata ?? {} })).toReversed());
  });

  test('under an Idempotency-Key is saved once, and its refusal is kept too', async () => {
    const userId = await newUser();
    const key = { 'Idempotency-Key': uniqueName('key') };
    const sent = newProject(userId, 'once');
    const first = await api.post('/save-project', sent, key);
    const again = await api.post('/save-project', sent, key);
    expect([again.status, again.text, again.headers.get('idempotency-replayed')]).toEqual([
      200,
      first.text,
      'true',
    ]);
    expect(first.headers.get('idempotency-replayed')).toBe(null);
    expectRefusal(
      await api.post('/save-project', newProject(userId, 'other'), key),
      422,
      'This Idempotency-Key was used before with another request',
    );
    expect((await list(userId)).total_projects).toBe(1);

    const tooLarge = newProject(userId, 'x'.repeat(LIMIT));
    const refusedKey = { 'Idempotency-Key': uniqueName('key') };
    for (const _ of [1, 2]) expectRefusal(await api.post('/save-project', tooLarge, refusedKey), 400, FULL);
    expectRefusal(
      await api.post('/save-project', sent, { 'Idempotency-Key': 'has a space' }),
      400,
      'Idempotency-Key has to be 1 to 200 visible ASCII characters',
    );
  });

  test('many times at once under one Idempotency-Key is saved once', async () => {
    const userId = await newUser();
    const key = { 'Idempotency-Key': uniqueName('key') };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => api.post('/save-project', newProject(userId, 'once'), key)),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
    expect((await list(userId)).total_projects).toBe(1);
  });
});

describe('GET user-projects', () => {
  test('lists everything, newest first', async () => {
    const userId = await newUser();
    const content = `${'Text of a page. '.repeat(500)}the end`;
    const older = await api.save(userId, content, { title: '1 page draft', metadata: { pages: 1 } });
    const newer = await api.save(userId, 'aGk=', { app_source: 'imagegene', project_type: 'ai_artwork' });
    const answer = await list(userId);
    const { created_at, updated_at } = answer.projects[1];
    expect(answer).toEqual({
      success: true,
      projects: [
        expect.objectContaining({
          code: newer,
          app_source: 'imagegene',
          project_type: 'ai_artwork',
          word_count: 1,
        }),
        {
          code: older,
          title: '1 page draft',
          content,
          app_source: 'penora',
          project_type: 'text',
          created_at,
          file_size_mb: 0.01,
          size_mb: 0.01,
          size_bytes: 8_007,
          metadata: { pages: 1 },
          updated_at: created_at,
          word_count: 2_002,
        },
      ],
      total_projects: 2,
      user_id: userId,
    });
    expect(created_at).toMatch(TIMESTAMP);
    expect(updated_at).toBe(created_at);
  });

  test('filters by app exactly', async () => {
    const userId = await newUser();
    const text = await api.save(userId, 'a');
    const image = await api.save(userId, 'b', { app_source: 'imagegene' });
    for (const [filter, codes] of [
      ['penora', [text]],
      ['imagegene', [image]],
      ['Penora', []],
      ['pen', []],
      ['', [image, text]],
    ] as const) {
      const answer = await list(userId, `&app_filter=${filter}`);
      expect([codesOf(answer.projects), answer.total_projects]).toEqual([codes, codes.length]);
    }
  });

  test('of an unknown user is empty', async () => {
    const userId = uniqueName('unknown');
    expect(await list(userId)).toEqual({ success: true, projects: [], total_projects: 0, user_id: userId });
  });

  test('of projects of one moment begins with the newest save', async () => {
    const userId = await newUser();
    const codes = [];
    for (let saved = 0; saved < 12; saved++) codes.push(await api.save(userId, `${saved}`));
    await system.connection
      .collection('workspace_projects')
      .updateMany({ user_id: userId }, { $set: { updated_at: new Date('2026-01-05T06:45:12Z') } });
    const answer = await list(userId);
    expect(codesOf(answer.projects)).toEqual(codes.toReversed());
    expect(answer.projects[0].updated_at).toBe('2026-01-05T06:45:12.000000');
  });

  test('shows nobody else’s', async () => {
    const [one, other] = [await newUser(), await newUser()];
    await api.save(one, 'mine');
    expect((await list(other)).projects).toEqual([]);
  });
});

describe('GET projects', () => {
  test('lists all and by app, with the storage', async () => {
    const userId = await newUser();
    const text = await api.save(userId, 'x'.repeat(262_144));
    const image = await api.save(userId, 'y'.repeat(131_072), { app_source: 'imagegene' });
    const other = await api.save(userId, 'z', { app_source: 'another' });
    const answer = await success(api.get(`/projects?user_id=${userId}`));
    expect(Object.keys(answer)).toEqual([
      'success',
      'all_projects',
      'penora_projects',
      'imagegene_projects',
      'total_count',
      'penora_count',
      'imagegene_count',
      'storage_stats',
      'timestamp',
    ]);
    expect(codesOf(answer.all_projects)).toEqual([other, image, text]);
    expect(codesOf(answer.penora_projects)).toEqual([text]);
    expect(codesOf(answer.imagegene_projects)).toEqual([image]);
    expect([answer.total_count, answer.penora_count, answer.imagegene_count]).toEqual([3, 1, 1]);
    expect(answer.storage_stats).toEqual({
      used_mb: 0.38,
      limit_mb: 1,
      available_mb: 0.62,
      usage_percentage: 37.5,
    });
    expect(answer.timestamp).toMatch(TIMESTAMP);
    expect(answer.all_projects).toEqual((await list(userId)).projects);
  });

  test('of one app counts that app only, but the storage of all', async () => {
    const userId = await newUser();
    await api.save(userId, 'x'.repeat(LIMIT / 2));
    const image = await api.save(userId, 'y', { app_source: 'imagegene' });
    const answer = await success(api.get(`/projects?user_id=${userId}&app=imagegene`));
    expect(codesOf(answer.all_projects)).toEqual([image]);
    expect(answer).toMatchObject({
      penora_projects: [],
      total_count: 1,
      penora_count: 0,
      imagegene_count: 1,
      storage_stats: { used_mb: 0.5 },
    });
    expect(await success(api.get(`/projects?user_id=${userId}&app=nothing`))).toMatchObject({
      all_projects: [],
      total_count: 0,
      storage_stats: { used_mb: 0.5 },
    });
  });

  test('of an unknown user are none', async () => {
    expect(await success(api.get(`/projects?user_id=${uniqueName('unknown')}`))).toMatchObject({
      all_projects: [],
      total_count: 0,
      storage_stats: { used_mb: 0, limit_mb: 1, available_mb: 1, usage_percentage: 0 },
    });
  });
});

describe('GET project/{code}', () => {
  test('shows one of the user’s own', async () => {
    const userId = await newUser();
    const code = await api.save(userId, 'content of it');
    const answer = await success(api.get(`/project/${code}?user_id=${userId}`));
    expect(answer.project).toEqual((await list(userId)).projects[0]);
    expect(answer.project.content).toBe('content of it');
    expect(answer.timestamp).toMatch(TIMESTAMP);
  });

  test('of somebody else, of nobody, or in other letters is 404', async () => {
    const [owner, other] = [await newUser(), await newUser()];
    const code = await api.save(owner, 'x', { app_source: 'imagegene' });
    for (const path of [
      `/project/${code}?user_id=${other}`,
      `/project/${code}?user_id=${uniqueName('unknown')}`,
      `/project/${code.toLowerCase()}?user_id=${owner}`,
      `/project/NOSUCH?user_id=${owner}`,
      `/project/a%2Fb%00?user_id=${owner}`,
    ]) {
      expectRefusal(await api.get(path), 404, 'Project not found');
    }
  });
});

describe('GET storage-stats', () => {
  test('shows sizes and counts over all and by app', async () => {
    const userId = await newUser();
    await api.save(userId, 'x'.repeat(104_858));
    await api.save(userId, 'x'.repeat(104_858));
    await api.save(userId, 'y'.repeat(LIMIT / 4), { app_source: 'imagegene' });
    await api.save(userId, 'z'.repeat(10_486), { app_source: 'another' });
    expect(await stats(userId)).toEqual({
      success: true,
      storage_stats: { used_mb: 0.46, limit_mb: 1, available_mb: 0.54, usage_percentage: 46 },
      breakdown: {
        penora_mb: 0.2,
        imagegene_mb: 0.25,
        total_projects: 4,
        penora_projects: 2,
        imagegene_projects: 1,
      },
      timestamp: expect.stringMatching(TIMESTAMP),
    });
  });

  test('of a tiny project show 0.0', async () => {
    const userId = await newUser();
    await api.save(userId, 'tiny');
    expect(await stats(userId)).toMatchObject({
      storage_stats: { used_mb: 0, limit_mb: 1, available_mb: 1, usage_percentage: 0 },
      breakdown: { penora_mb: 0, total_projects: 1, penora_projects: 1 },
    });
  });

  test('of an unknown user are nothing', async () => {
    expect(await stats(uniqueName('unknown'))).toMatchObject({
      storage_stats: { used_mb: 0, limit_mb: 1, available_mb: 1, usage_percentage: 0 },
      breakdown: {
        penora_mb: 0,
        imagegene_mb: 0,
        total_projects: 0,
        penora_projects: 0,
        imagegene_projects: 0,
      },
    });
  });
});

test('sizes, counts and pages work without the contents, so they never load one', async () => {
  const userId = await newUser();
  const code = await api.save(userId, 'x'.repeat(LIMIT / 2));
  const stored = await system.connection.collection('workspace_projects').findOne({ code });
  if (!stored) throw new Error('The project is not stored');
  expect(Object.keys(stored)).not.toContain('content');
  const removed = await system.connection.collection('workspace_contents').deleteOne({ _id: stored._id });
  expect(removed.deletedCount).toBe(1);
  expect((await stats(userId)).breakdown).toMatchObject({ penora_mb: 0.5, total_projects: 1 });
  expect((await success(api.get(`/user-info?user_id=${userId}`))).storage.used_mb).toBe(0.5);
  const page = await api.get(`/workspace/projects?user_id=${userId}`);
  expect(JSON.parse(page.text).projects).toMatchObject([{ code, size_bytes: LIMIT / 2 }]);
});
