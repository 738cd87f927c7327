import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OpenAiBehaviour } from '../../sandbox/openai/behaviour.ts';
import { STANDARD_CATEGORIES } from '../../src/domain/icons/categories.ts';
import { createApiKey } from '../../src/models/apiKeys.ts';
import { expectIconsRefusal, IconsApi, UTC_TIME } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/** The icons contract, row by row, over HTTP with a web and a worker process. */
let icons: IconsSystem;
let url: string;
let person: IconsApi;

const STYLES = "['minimal', 'detailed', 'flat', 'modern', 'vintage', 'abstract', 'realistic']";
const COLORS = "['monochrome', 'colorful', 'blue_tones', 'warm_tones', 'cool_tones', 'brand_colors']";

const AT_A_TIME = 5;
const LIMITS = { BATCH_SIZE_DEFAULT: String(AT_A_TIME) };

/** What the sandbox does with a prompt that holds the word. */
const behaviours = new Map<string, OpenAiBehaviour>();

beforeAll(async () => {
  icons = await createIconsSystem('icons-contract');
  icons.openai.behave(({ prompt }) => {
    for (const [word, behaviour] of behaviours) if (prompt.includes(word)) return behaviour;
    return undefined;
  });
  const [web] = await Promise.all([icons.startWeb(LIMITS), icons.startWorker(LIMITS)]);
  url = web.url;
  person = await icons.newPerson(url);
});
afterAll(() => icons?.remove());

/** An element that no other test asks for, so that nothing comes out of another test's cache. */
const newWord = () => `w${randomBytes(6).toString('hex')}`;

const paidFor = (word: string) => icons.openai.paid.filter(({ prompt }) => prompt.includes(word)).length;

const ENDPOINTS = [
  ['POST', '/api/icons/generate'],
  ['POST', '/api/icons/generate/batch'],
  ['GET', '/api/icons/batch/x/status'],
  ['GET', '/api/icons/batch/x/result'],
  ['POST', '/api/icons/batch/x/cancel'],
  ['GET', '/api/icons/batches'],
  ['GET', '/api/icons/cached'],
  ['POST', '/api/icons/cache/clear'],
  ['GET', '/api/icons/stats'],
  ['GET', '/api/icons/categories/suggestions'],
] as const;

describe('the credential', () => {
  const refusal = (error: string) => ({ message: 'Authentication required', error, msg: error });

  test.each(ENDPOINTS)('is needed by %s %s, before anything else', async (method, path) => {
    const body = method === 'POST' ? { body: '{' } : {};
    for (const authorization of [undefined, 'Basic eDp5', 'Bearer', '']) {
      const headers = new Headers();
      if (authorization !== undefined) headers.set('Authorization', authorization);
      const answer = await new IconsApi(url).ask(path, { method, headers, ...body });
      expectIconsRefusal(answer, 401, refusal('Missing or invalid authorization header'));
    }
    for (const token of ['nonsense', await tokenThatExpired(), `${(await icons.newAccount()).token}x`]) {
      const answer = await new IconsApi(url, token).ask(path, { method, ...body });
      expectIconsRefusal(answer, 401, refusal('Invalid or expired token'));
    }
  });

  test.each(ENDPOINTS)('has to hold the scope for %s %s', async (method, path) => {
    const { text: key } = await createApiKey(icons.system.connection, {
      name: uniqueName('key'),
      scopes: ['usage:read'],
      expires_at: null,
      rate_limit_per_minute: null,
      created_by: 'test',
    });
    const { token } = await icons.newAccount({ kind: 'company', roles: [] });
    for (const credential of [key, token]) {
      const answer = await new IconsApi(url, credential).ask(path, { method });
      expect([answer.status, Object.keys(answer.body)]).toEqual([403, ['message', 'error', 'msg']]);
      expect(answer.body).toMatchObject({
        message: 'Access denied',
        error: expect.stringContaining('icons'),
      });
    }
  });

  async function tokenThatExpired(): Promise<string> {
    const { account } = await icons.newAccount();
    const { JWT_SECRET: secret = '' } = icons.environment;
    return new SignJWT({
      sub: account.account_id,
      kind: 'person',
      tv: 1,
      exp: Math.floor(Date.now() / 1_000) - 600,
    })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('millrace')
      .setAudience('millrace')
      .sign(Buffer.from(secret));
  }
});

describe('one icon', () => {
  test('is answered when it is made, and lies where the answer says', async () => {
    const word = newWord();
    const fields = {
      category: '  garden tools ',
      style: 'FLAT',
      color_scheme: 'blue_tones',
      custom_elements: [word],
    };
    const { status, body, text } = await person.generate(fields);
    expect(status, text).toBe(200);
    expect(Object.keys(body)).toEqual(['success', 'image_url', 'local_path', 'generation_time', 'metadata']);
    expect(Object.keys(body.metadata)).toEqual([
      'style',
      'color_scheme',
      'category',
      'prompt',
      'generation_time',
      'attempt',
      'model',
    ]);
    expect(body).toMatchObject({
      success: true,
      image_url: expect.stringMatching(
        /^\/api\/images\/garden_tools\/garden_tools_\d{8}_\d{6}_[0-9a-f]{8}\.png$/,
      ),
      metadata: { style: 'flat', color_scheme: 'blue_tones', category: 'garden tools', attempt: 1 },
    });
    expect(body.metadata.prompt).toContain(`Include: ${word}`);
    expect(body.metadata.generation_time).toBe(body.generation_time);
    expect(text).toMatch(/"generation_time":\d+\.\d/);
    const image = await fetch(url + body.image_url);
    expect([image.status, image.headers.get('content-type')]).toEqual([200, 'image/png']);
    const bytes = Buffer.from(await image.arrayBuffer());
    expect(bytes.subarray(1, 4).toString()).toBe('PNG');
    expect((await readFile(body.local_path)).equals(bytes)).toBe(true);

    const again = await person.generate({ ...fields, category: 'GARDEN tools', style: 'flat' });
    expect(again.body).toMatchObject({
      success: true,
      image_url: body.image_url,
      generation_time: body.generation_time,
      metadata: { category: 'GARDEN tools', attempt: 1 },
    });
    expect(paidFor(word)).toBe(1);
  });

  test('has defaults, and takes what the dashboard sends', async () => {
    const custom_elements = [newWord()];
    const plain = await person.generate({
      category: 'tools',
      style: '',
      color_scheme: null,
      custom_elements,
    });
    expect(plain.body.metadata).toMatchObject({ style: 'modern', color_scheme: 'brand_colors' });
    const alias = { category: 'tools', style: 'minimalist', color_scheme: 'vibrant', custom_elements };
    const answered = await person.generate(alias);
    expect(answered.body.metadata).toMatchObject({ style: 'minimal', color_scheme: 'colorful' });
    const pastel = await person.generate({ category: 'tools', color_scheme: 'pastel', custom_elements });
    expect(pastel.body.metadata.color_scheme).toBe('pastel');
  });

  test('that the model refuses is a failure in the shape of the contract', async () => {
    const word = newWord();
    behaviours.set(word, { kind: 'moderate' });
    const { status, body } = await person.generate({ category: 'garden tools', custom_elements: [word] });
    expect(status).toBe(500);
    expect(Object.keys(body)).toEqual(['success', 'error', 'metadata', 'message']);
    expect(body).toMatchObject({
      success: false,
      error: expect.any(String),
      metadata: {
        category: 'garden tools',
        prompt: expect.stringContaining(word),
        generation_time: expect.any(Number),
        attempts: 1,
      },
      message: 'Icon generation failed',
    });
  });

  test('fails after three attempts', async () => {
    const word = newWord();
    behaviours.set(word, { kind: 'fail', status: 500 });
    const { status, body } = await person.generate({ category: 'tools', custom_elements: [word] });
    expect(status).toBe(500);
    expect(body.error).toMatch(/^Failed after 3 attempts: /);
    expect(body.metadata.attempts).toBe(3);
  });

  test('is made also when the client hangs up', async () => {
    const word = newWord();
    const answer = Promise.withResolvers<void>();
    behaviours.set(word, { kind: 'make', until: answer.promise });
    const fields = { category: 'tools', custom_elements: [word] };
    const client = new AbortController();
    const abandoned = person.ask('/api/icons/generate', {
      method: 'POST',
      body: JSON.stringify(fields),
      signal: client.signal,
    });
    await waitFor('the call has begun', async () => paidFor(word) === 1 || undefined);
    client.abort();
    await expect(abandoned).rejects.toThrow();
    answer.resolve();
    expect((await person.generate(fields)).status).toBe(200);
    expect(paidFor(word)).toBe(1);
  });

  test('that a stopping process waits for is told to be looked for elsewhere', async () => {
    const word = newWord();
    const answer = Promise.withResolvers<void>();
    behaviours.set(word, { kind: 'make', until: answer.promise });
    const web = await icons.startWeb();
    const { token } = await icons.newAccount();
    const asking = new IconsApi(web.url, token).generate({ category: 'tools', custom_elements: [word] });
    await waitFor('the call has begun', async () => paidFor(word) === 1 || undefined);
    const [{ status, body, headers }] = await Promise.all([asking, web.stop()]);
    answer.resolve();
    expect([status, headers.get('location')]).toEqual([504, body.status_url]);
    expect(body).toEqual({
      message: 'The icon is not ready yet; status_url tells when it is',
      status_url: `/api/icons/images/${body.image_id}`,
      image_id: expect.any(String),
    });
    const elsewhere = new IconsApi(url, token);
    const state = await waitFor('it is made nevertheless', async () => {
      const { body: image } = await elsewhere.get(body.status_url);
      return image.status === 'succeeded' ? image : undefined;
    });
    expect((await fetch(url + state.image_url)).status).toBe(200);
  });

  test.each<[unknown, string]>([
    [undefined, 'Request data required'],
    [' \n', 'Request data required'],
    ['{}', 'Request data required'],
    ['[]', 'Request data required'],
    ['null', 'Request data required'],
    ['"tools"', 'Request data required'],
    [{ style: 'flat' }, 'Category is required'],
    [{ category: '   ' }, 'Category is required'],
    [{ category_id: 1, category_name: 'x', color: 'red', size: 3, background: null }, 'Category is required'],
    [{ category: 5 }, 'Category must be a string'],
    [{ category: 'x', style: 'invalid_style' }, `Invalid style. Valid options: ${STYLES}`],
    [{ category: 'x', color_scheme: 'ultraviolet' }, `Invalid color scheme. Valid options: ${COLORS}`],
    [
      { category: 'x', custom_elements: 'spade' },
      'custom_elements must be an array of at most 20 strings of at most 100 characters',
    ],
    ['{"category":', 'The body is not valid JSON'],
    ['category=tools', 'The body is not valid JSON'],
    ['['.repeat(100), 'The JSON is nested deeper than 32 levels'],
  ])('is refused for the body %j', async (body, message) => {
    expectIconsRefusal(await person.generate(body), 400, { message });
  });

  test.each(['/api/icons/generate', '/api/icons/generate/batch'])(
    'or a batch is refused for a huge body: %s',
    async (path) => {
      const huge = JSON.stringify({ category: 'x', custom_elements: ['a'.repeat(1_100_000)] });
      expectIconsRefusal(await person.post(path, huge), 413, {
        message: 'The body is larger than 1048576 bytes',
      });
    },
  );
});

describe('a batch', () => {
  test('makes every category in every variation, and its result lists them in order', async () => {
    const [first, second] = [newWord(), newWord()];
    const batchId = await person.start({
      categories: [' tools ', '', 'garden tools'],
      style: 'abstract',
      color_scheme: 'warm_tones',
      variations_per_category: 3,
      custom_elements: { tools: [first], 'garden tools': [second], other: ['x'] },
      metadata: { project: 'a' },
    });
    expect(batchId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await person.ended(batchId)).toEqual({
      batch_id: batchId,
      status: 'completed',
      progress: 100,
      current_category: expect.any(String),
      total_categories: 2,
      completed_categories: 2,
      estimated_completion: expect.stringMatching(UTC_TIME),
      created_at: expect.stringMatching(UTC_TIME),
      started_at: expect.stringMatching(UTC_TIME),
      completed_at: expect.stringMatching(UTC_TIME),
      total_requested: 6,
      successful: 6,
      failed: 0,
    });
    const { body } = await person.result(batchId);
    expect(body).toMatchObject({
      batch_id: batchId,
      total_requested: 6,
      successful: 6,
      metadata: { project: 'a' },
    });
    const items: (typeof body.results)[number][] = body.results;
    expect(items.map(({ metadata }) => [metadata.category, metadata.variation, metadata.style])).toEqual(
      ['tools', 'garden tools'].flatMap((category) => [
        [category, 1, 'abstract'],
        [category, 2, 'realistic'],
        [category, 3, 'minimal'],
      ]),
    );
    for (const { success, image_url, error, metadata } of items) {
      expect([success, error, metadata.batch_id, metadata.total_variations]).toEqual([
        true,
        null,
        batchId,
        3,
      ]);
      expect((await fetch(url + image_url)).status).toBe(200);
    }
    expect([paidFor(first), paidFor(second)]).toEqual([3, 3]);
    expect((await person.get('/api/icons/batches')).body).toContainEqual(
      expect.objectContaining({ batch_id: batchId, status: 'completed', progress: 100 }),
    );
    expectIconsRefusal(await person.cancel(batchId), 400, {
      message: 'Batch not found or cannot be cancelled',
    });
  });

  test('completes with its failures, which can be made again', async () => {
    const word = newWord();
    behaviours.set(word, { kind: 'moderate' });
    const batchId = await person.start({ categories: ['tools', 'toys'], custom_elements: { toys: [word] } });
    expect(await person.ended(batchId)).toMatchObject({ status: 'completed', successful: 1, failed: 1 });
    const { body } = await person.result(batchId);
    expect(body.results).toMatchObject([
      { success: true, error: null },
      { success: false, image_url: null, local_path: null, error: expect.any(String) },
    ]);

    behaviours.delete(word);
    const retry = `/api/icons/batch/${batchId}/retry`;
    const stranger = await icons.newPerson(url);
    expect((await stranger.post(retry)).status).toBe(404);
    const again = await waitFor('the round before is closed', async () => {
      const answer = await person.post(retry);
      return answer.status === 503 ? undefined : answer;
    });
    expect([again.status, again.body]).toEqual([
      202,
      { batch_id: batchId, images: 1, status_url: `/api/icons/batch/${batchId}/status` },
    ]);
    expect(await person.ended(batchId)).toMatchObject({ status: 'completed', successful: 2, failed: 0 });
    const nothing = await person.post(retry);
    expect([nothing.status, nothing.headers.get('content-type')]).toEqual([
      409,
      'application/problem+json; charset=utf-8',
    ]);
  });

  test.each<[unknown, object]>([
    [undefined, { message: 'Request data required' }],
    [' \n', { message: 'Request data required' }],
    ['{}', { message: 'Request data required' }],
    ['[1]', { message: 'Request data required' }],
    [{ style: 'flat' }, { message: 'At least one category is required' }],
    [{ categories: ['', '  '] }, { message: 'At least one category is required' }],
    [{ categories: [{ id: 1, name: 'x' }], options: {} }, { message: 'At least one category is required' }],
    [
      { categories: Array.from({ length: 51 }, (_, index) => `c${index}`) },
      { message: 'Validation failed', errors: ['Too many categories. Maximum 50 allowed, got 51'] },
    ],
    [
      { categories: ['x'], style: 'x', color_scheme: 'y', variations_per_category: 11 },
      {
        message: 'Validation failed',
        errors: [
          'Invalid variations_per_category. Must be an integer from 1 to 10',
          `Invalid style 'x'. Valid options: ${STYLES}`,
          `Invalid color scheme 'y'. Valid options: ${COLORS}`,
        ],
      },
    ],
    ['{', { message: 'The body is not valid JSON' }],
  ])('is refused for the body %j', async (body, refusal) => {
    expectIconsRefusal(await person.post('/api/icons/generate/batch', body), 400, refusal);
  });

  test('that is cancelled begins no more images, and its result is what was done', async () => {
    const word = newWord();
    const answer = Promise.withResolvers<void>();
    behaviours.set(word, { kind: 'make', until: answer.promise });
    const categories = Array.from({ length: 12 }, (_, index) => `cancel ${index}`);
    const custom_elements = Object.fromEntries(categories.map((category) => [category, [word]]));
    const batchId = await person.start({ categories, custom_elements });
    await waitFor('as many images run as may', async () => paidFor(word) === AT_A_TIME || undefined);
    expectIconsRefusal(await person.result(batchId), 404, { message: 'Batch result not found' });

    const stranger = await icons.newPerson(url);
    const refusal = { message: 'Batch not found or cannot be cancelled' };
    expectIconsRefusal(await stranger.cancel(batchId), 400, refusal);
    expectIconsRefusal(await stranger.status(batchId), 404, { message: 'Batch not found' });
    expectIconsRefusal(await stranger.cancel('unknown'), 400, refusal);

    const cancelled = await person.cancel(batchId);
    expect([cancelled.status, cancelled.text]).toEqual([200, '{"message":"Batch cancelled successfully"}']);
    answer.resolve();
    expectIconsRefusal(await person.cancel(batchId, {}), 400, refusal);
    const done = await waitFor('what ran has ended', async () => {
      const { body } = await person.result(batchId);
      return body.results.length === AT_A_TIME ? body : undefined;
    });
    expect(done).toMatchObject({ total_requested: 12, successful: AT_A_TIME, failed: 0 });
    expect(paidFor(word)).toBe(AT_A_TIME);
    expect((await person.status(batchId)).body).toMatchObject({
      status: 'cancelled',
      completed_at: expect.any(String),
    });
  });
});

describe('what is stored', () => {
  test('is listed, newest first, and cleared by category', async () => {
    const category = `Cached ${newWord()}`;
    const { body: one } = await person.generate({ category, style: 'flat' });
    const { body: other } = await person.generate({ category, style: 'minimal' });
    const listed = await person.get(`/api/icons/cached?category=${encodeURIComponent(category)}`);
    expect(listed.status).toBe(200);
    const urls = listed.body.map((icon: (typeof listed.body)[number]) => icon.image_url);
    expect(new Set(urls)).toEqual(new Set([one.image_url, other.image_url]));
    expect((await person.get('/api/icons/cached?category=unheard%20of')).text).toBe('[]');

    const nothing = await person.post('/api/icons/cache/clear', { category: 'unheard of' });
    expect(nothing.text).toBe('{"message":"Cleared 0 cached icons","cleared":0}');
    const cleared = await person.post('/api/icons/cache/clear', { category });
    expect(cleared.text).toBe('{"message":"Cleared 2 cached icons","cleared":2}');
    const gone = await person.get(one.image_url);
    expectIconsRefusal(gone, 404, { message: 'Image not found' });
    // What is asked for again is made again.
    const { body: anew } = await person.generate({ category, style: 'flat' });
    expect((await person.get(anew.image_url)).status).toBe(200);
  });

  test('is counted', async () => {
    await person.generate({ category: 'tools', custom_elements: [newWord()] });
    const { status, body } = await person.get('/api/icons/stats');
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual([
      'total_generated',
      'total_failed',
      'total_batches',
      'average_generation_time',
      'last_generation',
      'active_batches',
      'total_active_jobs',
      'cached_icons',
      'categories_covered',
      'cache_size',
      'success_rate',
    ]);
    expect(body.total_generated).toBeGreaterThan(0);
    expect(body.last_generation).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
  });
});

test('the 15 suggestions, and the open endpoints', async () => {
  expect((await person.get('/api/icons/categories/suggestions')).body).toEqual(STANDARD_CATEGORIES);
  expect((await person.get('/api/icons/categories/suggestions?q=outdoor')).text).toBe(
    '["Outdoor","Outdoor Sports"]',
  );
  const anybody = new IconsApi(url);
  expectIconsRefusal(await anybody.get('/api/images/none/none.png'), 404, { message: 'Image not found' });
  expectIconsRefusal(await anybody.get('/api/icons/nothing'), 404, { message: 'Resource not found' });
  expect((await anybody.get('/api/health')).text).toBe(
    '{"status":"healthy","services":{"redis":"healthy","flask":"healthy","openai":"configured"}}',
  );
});

test('every endpoint stands in the OpenAPI document', async () => {
  const { body } = await person.get('/openapi.json');
  for (const [method, path] of ENDPOINTS) {
    expect(body.paths[path.replace('/x/', '/{id}/')]).toHaveProperty(method.toLowerCase());
  }
  const { responses } = body.paths['/api/icons/batch/{id}/zip'].get;
  expect(Object.keys(responses)).toEqual(expect.arrayContaining(['200', '206', '304', '416']));
});

test('in open mode nobody needs a token, everything is one user’s, and a start is answered with 200', async () => {
  const web = await icons.startWeb({ ICONS_OPEN_MODE: '1', PUBLIC_BASE_URL: 'https://icons.example.test/' });
  const anybody = new IconsApi(web.url);
  const started = await anybody.post('/api/icons/generate/batch', { categories: [newWord()] });
  expect([started.status, Object.keys(started.body)]).toEqual([200, ['message', 'batch_id']]);
  expect(await anybody.ended(started.body.batch_id)).toMatchObject({ status: 'completed' });
  const { body } = await anybody.result(started.body.batch_id);
  expect(body.results[0].image_url).toMatch(/^https:\/\/icons\.example\.test\/api\/images\/w/);
  // Also with a token that means nothing here.
  const listed = await new IconsApi(web.url, 'nonsense').get('/api/icons/batches');
  expect(listed.body).toMatchObject([{ batch_id: started.body.batch_id }]);
  expectIconsRefusal(await person.status(started.body.batch_id), 404, { message: 'Batch not found' });
  await web.stop();
});
