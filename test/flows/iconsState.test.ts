import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { batchesRoute } from '../../src/api/routes/icons/batches.ts';
import { timeText } from '../../src/api/routes/icons/contractValues.ts';
import { healthRoute } from '../../src/api/routes/icons/health.ts';
import { imageStatusRoute } from '../../src/api/routes/icons/imageStatus.ts';
import { resultRoute } from '../../src/api/routes/icons/result.ts';
import { statsRoute } from '../../src/api/routes/icons/stats.ts';
import { statusRoute } from '../../src/api/routes/icons/status.ts';
import { suggestionsRoute } from '../../src/api/routes/icons/suggestions.ts';
import { unknownAddressRoutes } from '../../src/api/routes/icons/unknownAddress.ts';
import { STANDARD_CATEGORIES } from '../../src/domain/icons/categories.ts';
import {
  cancelBatch,
  failBatch,
  finishBatch,
  markSettled,
  retryFailed,
} from '../../src/models/iconBatches.ts';
import { claimGeneration, recordFile } from '../../src/models/iconGenerations.ts';
import { beginCall, type Conclusion, concludeImage, createImage } from '../../src/models/iconImages.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';
import { type ApiServer, startApiServer } from '../api/apiServer.ts';
import { at, createdBatch, FAILURE, LEASE_MILLISECONDS, newImage, setBatch } from '../models/iconFixtures.ts';
import { expectIconsRefusal, IconsApi, UTC_TIME } from '../support/iconsApi.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** What the reading endpoints say about every state that a batch can be in. */
let system: TestSystem;
let api: ApiServer;
let operator: IconsApi;

beforeAll(async () => {
  system = await createTestSystem('icons-state');
  const environment = readEnvironment({
    ...system.environment,
    PUBLIC_BASE_URL: 'https://icons.example.test/',
  });
  const { connection, redis } = system;
  const dependencies = { connection, redis, environment, storage: new DiskStorage('/data/icons') };
  api = await startApiServer({
    routes: [
      statusRoute(dependencies),
      resultRoute(dependencies),
      batchesRoute(dependencies),
      statsRoute(dependencies),
      suggestionsRoute(dependencies),
      imageStatusRoute(dependencies),
      healthRoute(dependencies),
      {
        ...statsRoute(dependencies),
        path: '/api/icons/broken',
        handle() {
          throw new TypeError('a secret');
        },
      },
      ...unknownAddressRoutes(),
    ],
  });
  operator = new IconsApi(api.url, api.adminKey);
});
afterAll(async () => {
  await api.close();
  await system.remove();
});

/** Somebody with an API key for icons. */
async function newCaller(): Promise<{ readonly icons: IconsApi; readonly owner: string }> {
  const { body } = await operator.post('/api/keys', { name: 'icons', scopes: ['icons'] });
  return { icons: new IconsApi(api.url, body.key), owner: `api-key:${body.key_id}` };
}

function success(path: string, milliseconds: number | null = 1_500, cached = false): Conclusion {
  const file = { path, folder: 'tools', size: 10, created_at: Date.UTC(2026, 0, 5) };
  return { status: 'succeeded', file, cached, generation_milliseconds: milliseconds };
}

/** A batch of three categories with two variations each, of which the first `ended` images have ended as told. */
async function batchWith(ended: readonly Conclusion[], metadata?: Readonly<Record<string, unknown>>) {
  const caller = await newCaller();
  const wanted = { owner: caller.owner, variations: 2, ...(metadata ? { metadata } : {}) };
  const { batch_id, images } = await createdBatch(system.connection, wanted);
  for (const [index, conclusion] of ended.entries()) {
    await concludeImage(system.connection, at(images, index), conclusion);
  }
  return { ...caller, batch_id, images };
}

const SIX = Array.from({ length: 6 }, (_, index) => success(`tools/tools_${index}.png`));

describe('the status', () => {
  test('of a batch that waits', async () => {
    const { icons, batch_id } = await batchWith([]);
    const { status, body, text } = await icons.status(batch_id);
    expect(status).toBe(200);
    expect(text).toBe(
      JSON.stringify({
        batch_id,
        status: 'pending',
        progress: 0,
        current_category: null,
        total_categories: 3,
        completed_categories: 0,
        estimated_completion: null,
        created_at: body.created_at,
        started_at: null,
        completed_at: null,
        total_requested: 6,
        successful: 0,
        failed: 0,
      }),
    );
    expect(body.created_at).toMatch(UTC_TIME);
  });

  test('of a retried batch tells when it may end by the rate of the retry alone', async () => {
    const { connection } = system;
    const { icons, batch_id } = await batchWith([...SIX.slice(0, 4), FAILURE, FAILURE]);
    await finishBatch(connection, batch_id, 1);
    await markSettled(connection, batch_id, 1);
    // The first round began twelve hours ago.
    const before = new Date(Date.now() - 12 * 3_600_000);
    await setBatch(connection, batch_id, { started_at: before, round_started_at: before });
    const retry = await retryFailed(connection, batch_id, { reservation_id: null, credits: 0 }, undefined);
    if (retry.kind !== 'retried') throw new Error(retry.kind);
    const waiting = await icons.status(batch_id);
    expect(waiting.body).toMatchObject({ status: 'running', successful: 4, estimated_completion: null });

    await concludeImage(connection, at(retry.images, 0), success('tools/again.png'));
    const { body } = await icons.status(batch_id);
    expect(body).toMatchObject({ successful: 5, started_at: timeText(before.getTime()) });
    // The time since would be more than an hour for each image.
    expect(Date.parse(body.estimated_completion) - Date.now()).toBeLessThan(3_600_000);
  });

  test('of a batch that runs tells how far it is and when it may end', async () => {
    const { icons, batch_id } = await batchWith([success('tools/a.png'), FAILURE, success('tools/b.png')]);
    const { body } = await icons.status(batch_id);
    expect(body).toEqual({
      batch_id,
      status: 'running',
      progress: 50,
      current_category: 'garden tools',
      total_categories: 3,
      completed_categories: 1,
      estimated_completion: expect.stringMatching(UTC_TIME),
      created_at: expect.stringMatching(UTC_TIME),
      started_at: expect.stringMatching(UTC_TIME),
      completed_at: null,
      total_requested: 6,
      successful: 2,
      failed: 1,
    });
    expect(Date.parse(body.estimated_completion)).toBeGreaterThanOrEqual(Date.parse(body.started_at));
  });

  test('of a completed batch is 100, also with failures', async () => {
    const { icons, batch_id } = await batchWith([FAILURE, ...SIX.slice(1)]);
    await finishBatch(system.connection, batch_id, 1);
    const { body } = await icons.status(batch_id);
    expect(body).toMatchObject({ status: 'completed', progress: 100, successful: 5, failed: 1 });
    expect(body.completed_at).toMatch(UTC_TIME);
    expect(body.estimated_completion).toBe(body.completed_at);
  });

  test('of a cancelled batch stays cancelled, at what was done', async () => {
    const { icons, batch_id } = await batchWith(SIX.slice(0, 2));
    await cancelBatch(system.connection, batch_id);
    await finishBatch(system.connection, batch_id, 1);
    const { body } = await icons.status(batch_id);
    expect(body).toMatchObject({ status: 'cancelled', progress: 33, estimated_completion: null });
    expect(body.completed_at).toMatch(UTC_TIME);
  });
});

describe('the result', () => {
  test('of a batch that is not finished is not there', async () => {
    for (const ended of [[], SIX.slice(0, 1)]) {
      const { icons, batch_id } = await batchWith(ended);
      expectIconsRefusal(await icons.result(batch_id), 404, { message: 'Batch result not found' });
    }
  });

  test('lists every image in the order of the request', async () => {
    const { icons, batch_id, images } = await batchWith(
      [success('tools/a.png', 2_410), FAILURE, ...SIX.slice(2, 5), success('tools/z.png', null, true)],
      { project: { id: 7 } },
    );
    await finishBatch(system.connection, batch_id, 1);
    const { status, body, text } = await icons.result(batch_id);
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual([
      'batch_id',
      'total_requested',
      'successful',
      'failed',
      'start_time',
      'end_time',
      'duration',
      'results',
      'metadata',
    ]);
    expect(body).toMatchObject({
      batch_id,
      total_requested: 6,
      successful: 5,
      failed: 1,
      start_time: expect.stringMatching(UTC_TIME),
      end_time: expect.stringMatching(UTC_TIME),
      duration: expect.any(Number),
      metadata: { project: { id: 7 } },
    });
    expect(text).toMatch(/"duration":\d+\.\d/);
    const [first, second] = body.results;
    const asked = at(images, 0);
    expect(first).toEqual({
      success: true,
      image_url: 'https://icons.example.test/api/images/tools/a.png',
      local_path: '/data/icons/tools/a.png',
      error: null,
      metadata: {
        style: asked.style,
        color_scheme: asked.color_scheme,
        category: 'tools',
        prompt: asked.prompt,
        generation_time: 2.41,
        attempt: 1,
        model: asked.model,
        batch_id,
        variation: 1,
        total_variations: 2,
      },
      generation_time: 2.41,
    });
    expect(Object.keys(first)).toEqual([
      'success',
      'image_url',
      'local_path',
      'error',
      'metadata',
      'generation_time',
    ]);
    expect(second).toMatchObject({
      success: false,
      image_url: null,
      local_path: null,
      error: FAILURE.status === 'failed' ? FAILURE.error : '',
      metadata: { category: 'tools', variation: 2, attempts: 0 },
      generation_time: expect.any(Number),
    });
    expect(body.results.map(({ metadata }: (typeof body.results)[number]) => metadata.category)).toEqual(
      ['tools', 'garden tools', 'books'].flatMap((category) => [category, category]),
    );
    // A time that nobody knows is a float all the same.
    expect(body.results.at(-1)).toMatchObject({ success: true, generation_time: 0 });
    expect(text).toContain('"generation_time":0.0');
  });

  test('of a cancelled batch is what was done', async () => {
    const { icons, batch_id } = await batchWith([success('tools/a.png'), FAILURE]);
    await cancelBatch(system.connection, batch_id);
    const { body } = await icons.result(batch_id);
    expect(body).toMatchObject({ total_requested: 6, successful: 1, failed: 1, metadata: null });
    expect(body.results).toMatchObject([{ success: true }, { success: false }]);
  });

  test('of a batch that broke as a whole says why', async () => {
    const { icons, batch_id } = await batchWith([success('tools/a.png')]);
    await failBatch(system.connection, batch_id, 'No progress for 300 s');
    expect((await icons.status(batch_id)).body).toMatchObject({ status: 'failed' });
    const { body } = await icons.result(batch_id);
    expect(body).toMatchObject({
      successful: 0,
      failed: 6,
      results: [],
      metadata: { error: 'No progress for 300 s' },
    });
  });
});

describe("somebody else's batch", () => {
  test('does not exist, except for the operator', async () => {
    const { batch_id, images } = await batchWith(SIX);
    await finishBatch(system.connection, batch_id, 1);
    const { icons: stranger } = await newCaller();
    expectIconsRefusal(await stranger.status(batch_id), 404, { message: 'Batch not found' });
    expectIconsRefusal(await stranger.result(batch_id), 404, { message: 'Batch result not found' });
    expect((await stranger.get(`/api/icons/images/${at(images, 0).image_id}`)).status).toBe(404);
    expect((await stranger.get('/api/icons/batches')).text).toBe('[]');
    expect((await operator.status(batch_id)).status).toBe(200);
    expect((await operator.result(batch_id)).status).toBe(200);
  });

  test.each(['x', '%00', '..%2f..', 'a'.repeat(100), '%F0%9F%99%82', '{"$ne":null}', '$where'])(
    'is answered like a batch that never was: %s',
    async (id) => {
      const answer = await operator.status(id);
      expectIconsRefusal(answer, 404, { message: 'Batch not found' });
    },
  );
});

test('the list of batches has the newest first, of the caller alone', async () => {
  const { icons, owner } = await newCaller();
  expect((await icons.get('/api/icons/batches')).text).toBe('[]');
  const first = await createdBatch(system.connection, { owner });
  const second = await createdBatch(system.connection, { owner, categories: ['toys'], variations: 1 });
  await batchWith([]);
  await concludeImage(system.connection, at(second.images, 0), FAILURE);
  await finishBatch(system.connection, second.batch_id, 1);
  const { body } = await icons.get('/api/icons/batches');
  expect(body).toHaveLength(2);
  const completed = body.find(({ batch_id }: (typeof body)[number]) => batch_id === second.batch_id);
  expect(Object.keys(completed)).toEqual([
    'batch_id',
    'status',
    'progress',
    'total_categories',
    'completed_categories',
    'created_at',
    'completed_at',
    'current_category',
  ]);
  expect(completed).toEqual({
    batch_id: second.batch_id,
    status: 'completed',
    progress: 100,
    total_categories: 1,
    completed_categories: 1,
    created_at: expect.stringMatching(UTC_TIME),
    completed_at: expect.stringMatching(UTC_TIME),
    current_category: 'toys',
  });
  const created = body.map(({ created_at }: (typeof body)[number]) => created_at);
  expect(created).toEqual(created.toSorted().toReversed());
  expect(body.map(({ batch_id }: (typeof body)[number]) => batch_id)).toContain(first.batch_id);
});

test('the state of a single image can be read by its owner', async () => {
  const { icons, owner } = await newCaller();
  const image = newImage(owner);
  await createImage(system.connection, image, undefined);
  const path = `/api/icons/images/${image.image_id}`;
  expect((await icons.get(path)).body).toEqual({
    image_id: image.image_id,
    batch_id: null,
    status: 'pending',
    category: 'tools',
    style: 'modern',
    color_scheme: 'brand_colors',
    variation: 1,
    attempts: 0,
    error: null,
    image_url: null,
    asked_at: expect.stringMatching(UTC_TIME),
    finished_at: null,
  });
  await concludeImage(system.connection, image, success('tools/a.png'));
  expect((await icons.get(path)).body).toMatchObject({
    status: 'succeeded',
    image_url: 'https://icons.example.test/api/images/tools/a.png',
    finished_at: expect.stringMatching(UTC_TIME),
  });
  const unknown = await icons.get('/api/icons/images/unknown');
  expect([unknown.status, unknown.headers.get('content-type')]).toEqual([
    404,
    'application/problem+json; charset=utf-8',
  ]);
});

describe('the statistics', () => {
  test('are numbers from the beginning, and count what was made', async () => {
    const other = await createTestSystem('icons-stats');
    const environment = readEnvironment(other.environment);
    const server = await startApiServer({
      routes: [statsRoute({ connection: other.connection, environment })],
    });
    try {
      const icons = new IconsApi(server.url, server.adminKey);
      expect((await icons.get('/api/icons/stats')).text).toBe(
        '{"total_generated":0,"total_failed":0,"total_batches":0,"average_generation_time":0.0,"last_generation":null,' +
          '"active_batches":0,"total_active_jobs":0,"cached_icons":0,"categories_covered":0,"cache_size":0,"success_rate":0.0}',
      );
      const { images } = await createdBatch(other.connection);
      const ends = [
        FAILURE,
        success('a/a.png', 2_000),
        success('a/b.png', 2_700),
        success('a/b.png', 1, true),
      ];
      for (const [index, end] of ends.entries()) {
        await concludeImage(other.connection, at(images, index), end);
      }
      await storeIcon(other, 'tools');
      await storeIcon(other, 'tools');
      await storeIcon(other, 'books');
      expect((await icons.get('/api/icons/stats')).body).toEqual({
        total_generated: 2,
        total_failed: 1,
        total_batches: 1,
        average_generation_time: 2.35,
        last_generation: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/),
        active_batches: 1,
        total_active_jobs: 1,
        cached_icons: 3,
        categories_covered: 2,
        cache_size: 3,
        success_rate: 66.7,
      });
    } finally {
      await server.close();
      await other.remove();
    }
  });
});

/** Records a file that is in no storage. */
async function storeIcon({ connection }: TestSystem, folder: string): Promise<void> {
  const image = newImage();
  await createImage(connection, image, undefined);
  const key = createHash('sha256').update(image.image_id).digest('hex');
  await claimGeneration(connection, key, image, LEASE_MILLISECONDS);
  await beginCall(connection, image, undefined);
  await recordFile(connection, {
    key,
    image_id: image.image_id,
    call_id: undefined,
    tokens: null,
    file: { path: `${folder}/${uniqueName('x')}.png`, folder, size: 1, created_at: Date.now() },
    metadata: { style: 'flat', color_scheme: 'natural', category: folder, model: 'm' },
    generation_milliseconds: 1,
  });
}

describe('suggestions', () => {
  const path = '/api/icons/categories/suggestions';

  test('are texts', async () => {
    expect((await operator.get(path)).body).toEqual(STANDARD_CATEGORIES);
    expect((await operator.get(`${path}?q=`)).body).toEqual(STANDARD_CATEGORIES);
    expect((await operator.get(`${path}?q=TOOL`)).text).toBe('["Tools"]');
    expect((await operator.get(`${path}?q=nothing%20like%20it`)).text).toBe('[]');
  });

  test('are objects on demand, which tell what has an icon', async () => {
    await storeIcon(system, 'personal_care');
    const { text } = await operator.get(`${path}?q=care&format=objects`);
    expect(text).toBe(
      '[{"id":1,"name":"Healthcare","slug":"healthcare","has_icon":false},' +
        '{"id":2,"name":"Personal Care","slug":"personal_care","has_icon":true}]',
    );
    const { body } = await operator.get(`${path}?format=objects`);
    expect(body).toHaveLength(15);
    expect(body[0]).toEqual({ id: 1, name: 'Office Supplies', slug: 'office_supplies', has_icon: false });
  });

  test('refuse what they do not know', async () => {
    for (const query of ['?q=a&q=b', '?format=xml']) {
      expectIconsRefusal(await operator.get(path + query), 400, {
        message: 'q is a text, given once; format is strings or objects',
      });
    }
  });
});

test('health needs no credential', async () => {
  const { status, text } = await new IconsApi(api.url).get('/api/health');
  expect([status, text]).toEqual([
    200,
    '{"status":"healthy","services":{"redis":"healthy","flask":"healthy","openai":"not_configured"}}',
  ]);
});

test('an unknown address below /api/icons/ is answered in the words of the contract', async () => {
  const anybody = new IconsApi(api.url);
  for (const path of ['/api/icons', '/api/icons/unknown', '/api/icons/batch/x', '/api/icons/images/a/b']) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      expectIconsRefusal(await anybody.ask(path, { method }), 404, { message: 'Resource not found' });
    }
  }
});

test('what cannot be decoded, the wrong method and what nobody foresaw are answered in its shape', async () => {
  for (const path of ['/api/icons/%ZZ', '/api/icons/batch/%ZZ/status']) {
    expectIconsRefusal(await operator.get(path), 400, {
      message: 'The path is not correctly percent-encoded',
    });
  }
  const wrongMethod = await operator.post('/api/icons/stats');
  expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  expect(Object.keys(wrongMethod.body)).toEqual(['message']);
  const { status, body, headers } = await operator.get('/api/icons/broken');
  expect([status, body]).toEqual([
    500,
    {
      message: 'Internal server error',
      error: `Internal server error: the log has the details under request id ${headers.get('x-request-id')}`,
    },
  ]);
});
