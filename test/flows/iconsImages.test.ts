import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { iconFolder } from '../../src/domain/icons/iconPath.ts';
import { findFile, markSaved } from '../../src/models/iconFiles.ts';
import { iconFiles } from '../../src/models/iconGenerationDocuments.ts';
import { recordFile } from '../../src/models/iconGenerations.ts';
import { renditionPath } from '../../src/platforms/images/renditions.ts';
import { sharp } from '../../src/platforms/images/sharp.ts';
import type { DiskStorage } from '../../src/platforms/storage/disk.ts';
import type { ObjectStorage } from '../../src/platforms/storage/objectStorage.ts';
import type { ApiServer } from '../api/apiServer.ts';
import { keyOf } from '../models/iconFixtures.ts';
import { createIconFilesApi, type IconFilesApi, storeBytes } from '../support/iconFilesApi.ts';
import { inTime } from '../support/inTime.ts';
import { openFilesBelow } from '../support/openFilesBelow.ts';
import { rawExchange } from '../support/rawExchange.ts';
import { bucketOf, openSandboxBucket } from '../support/sandboxBucket.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

let icons: IconFilesApi;
let storage: DiskStorage;
let api: ApiServer;

beforeAll(async () => {
  icons = await createIconFilesApi('icons-images');
  ({ storage, api } = icons);
});
afterAll(() => icons.remove());

const get = (path: string, headers: Record<string, string> = {}, server = api) =>
  fetch(`${server.url}${path}`, { headers });
const asOperator = (path: string, server = api) => get(path, { 'X-API-Key': server.adminKey }, server);

function clear(body?: unknown, server = api): Promise<Response> {
  return fetch(`${server.url}/api/icons/cache/clear`, {
    method: 'POST',
    headers: { 'X-API-Key': server.adminKey },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

const BYTES = randomBytes(1_000);

const stored = (bytes: Buffer = BYTES, to: ObjectStorage = storage) => storeBytes(to, bytes);

function picture(size = 64): Promise<Buffer> {
  return sharp({ create: { width: size, height: size, channels: 3, background: '#3366cc' } })
    .png()
    .toBuffer();
}

describe('an image', () => {
  test('is served whole, to be kept for ever and shown by every page', async () => {
    const path = await stored();
    const answer = await get(`/api/images/${path}`);
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': '1000',
      'cache-control': 'public, max-age=31536000, immutable',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'cross-origin',
      'access-control-allow-origin': '*',
    });
    expect(answer.headers.get('etag')).toMatch(/^"[A-Za-z0-9_-]{27}"$/);
    expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES)).toBe(true);

    const head = await fetch(`${api.url}/api/images/${path}`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '1000', '']);
    expect(head.headers.get('etag')).toBe(answer.headers.get('etag'));
  });

  test('may lie outside of any folder, and has the type of its name', async () => {
    const name = uniqueName('icon');
    await storage.put(`${name}.webp`, BYTES);
    const answer = await get(`/api/images/${name}.webp`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/webp']);
  });

  test('is not sent again to whoever has it', async () => {
    const path = await stored();
    const etag = (await get(`/api/images/${path}`)).headers.get('etag') ?? '';
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await get(`/api/images/${path}`, { 'If-None-Match': known, Range: 'bytes=0-1' });
      expect([known, answer.status, await answer.text()]).toEqual([known, 304, '']);
      expect(answer.headers.get('etag')).toBe(etag);
      expect(answer.headers.get('cache-control')).toContain('immutable');
      expect(answer.headers.get('content-length')).toBeNull();
    }
    for (const other of ['"other"', etag.slice(1, -1), '']) {
      expect((await get(`/api/images/${path}`, { 'If-None-Match': other })).status).toBe(200);
    }
    expect((await get(`/api/images/${await stored()}`)).headers.get('etag')).not.toBe(etag);
  });

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=10-19', 10, 19],
    ['bytes=990-', 990, 999],
    ['bytes=-10', 990, 999],
    ['bytes=995-5000', 995, 999],
    ['bytes=-5000', 0, 999],
  ])('is served in part: %s', async (range, from, to) => {
    const path = await stored();
    const answer = await get(`/api/images/${path}`, { Range: range });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([206, `bytes ${from}-${to}/1000`]);
    expect(answer.headers.get('content-length')).toBe(String(to - from + 1));
    expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES.subarray(from, to + 1))).toBe(true);
  });

  test.each(['bytes=1000-', 'bytes=5000-6000', 'bytes=-0'])('has nothing at %s', async (range) => {
    const answer = await get(`/api/images/${await stored()}`, { Range: range });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */1000']);
    expect(answer.headers.get('cache-control') ?? '').not.toContain('immutable');
    expect(await answer.json()).toEqual({ message: expect.any(String) });
  });

  test.each(['bytes=0-1,5-6', 'lines=0-1', 'bytes=5-1', 'bytes=-', 'bytes', 'bytes=a-b'])(
    'is served whole where the range is none: %s',
    async (range) => {
      const answer = await get(`/api/images/${await stored()}`, { Range: range });
      expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, 1_000]);
    },
  );

  test('is continued only when it is still the same', async () => {
    const path = await stored();
    const etag = (await get(`/api/images/${path}`)).headers.get('etag') ?? '';
    const statusWith = async (known: string) =>
      (await get(`/api/images/${path}`, { Range: 'bytes=500-', 'If-Range': known })).status;
    expect(await statusWith(etag)).toBe(206);
    for (const other of ['"other"', `W/${etag}`, new Date().toUTCString()]) {
      expect(await statusWith(other)).toBe(200);
    }
  });
});

/** As they are sent: nothing on the way puts them right. */
const NOT_THERE = [
  '/api/images/never-stored.png',
  '/api/images/tools/never-stored.png',
  '/api/images/tools',
  '/api/images/',
  '/api/images',
  '/api/images/a/b/c.png',
  '/api/images/../package.json',
  '/api/images/../../../../../../etc/passwd',
  '/api/images/..%2f..%2f..%2fetc%2fpasswd.png',
  '/api/images/%2e%2e/%2e%2e/etc/passwd.png',
  '/api/images/%2e%2e/outside.png',
  '/api/images/%2e%2e%2foutside.png',
  '/api/images/tools/%2e%2e%2f%2e%2e%2foutside.png',
  '/api/images/tools/..%5c..%5coutside.png',
  '/api/images/..\\..\\outside.png',
  '/api/images/%252e%252e%252foutside.png',
  '/api/images/tools/icon.png%00',
  '/api/images/%00/icon.png',
  '/api/images//etc/passwd.png',
  '/api/images/%2fetc%2fpasswd.png',
  '/api/images/C:%5Cwindows%5Cicon.png',
  '/api/images/.unfinished/leftover.png',
  '/api/images/tools/CON.png',
  '/api/images/tools/icon.png%3a%3a$DATA',
  '/api/images/%e2%80%ae/icon.png',
  // What cannot be decoded.
  '/api/images/%zz.png',
  '/api/images/%',
  '/api/images/tools/%zz.png',
  '/api/images/%zz/icon.png',
  '/api/images/tools/%c0%ae%c0%ae%c0%af.png',
  '/api/images/a/b/c/%zz.png',
] as const;

describe('what is no image', () => {
  test.each(NOT_THERE)('%s is not found, in the words of the contract', async (path) => {
    const raw = await rawExchange(api.url, [`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`]);
    expect(raw).toMatch(/^HTTP\/1\.1 404 /);
    expect(raw).toContain('{"message":"Image not found"}');
    expect(raw).toMatch(/cache-control: no-store/i);
  });

  test('a file of another kind is not given out', async () => {
    await storage.put('tools/notes.txt', BYTES);
    await storage.put('tools/page.html', BYTES);
    expect((await get('/api/images/tools/notes.txt')).status).toBe(404);
    expect((await get('/api/images/tools/page.html')).status).toBe(404);
    const rendition = await get('/api/icons/renditions/tools/notes.txt?size=16');
    expect(rendition.status).toBe(404);
  });

  test('lies in one folder at most, however its address is written', async () => {
    const path = await stored(await picture());
    expect((await get(`/api/icons/renditions/${path}?size=16`)).status).toBe(200);
    const kept = renditionPath(path, { kind: 'image', size: 16, format: 'png' });
    for (const written of [encodeURIComponent(kept), kept.replace(/\/(?=.*\/)/g, '%2F'), kept]) {
      expect([written, (await get(`/api/images/${written}`)).status]).toEqual([written, 404]);
    }
  });

  test('another method is refused', async () => {
    const answer = await fetch(`${api.url}/api/images/tools/x.png`, { method: 'POST' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });
});

describe('a storage in trouble', () => {
  test('a client that goes away half way leaves no open file', async () => {
    const path = await stored(Buffer.alloc(40_000_000, 1));
    const socket = connect(api.port, '127.0.0.1');
    onTestFinished(() => {
      socket.destroy();
    });
    socket.write(`GET /api/images/${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    await waitFor('the file is open', async () =>
      (await openFilesBelow(icons.root)) > 0 ? true : undefined,
    );
    socket.destroy();
    await waitFor('the file is closed', async () =>
      (await openFilesBelow(icons.root)) === 0 ? true : undefined,
    );
  });

  test('one that hangs or refuses is answered with 503 and when to come back', async () => {
    const { store, bucket } = await openSandboxBucket();
    const server = await icons.serve(bucket);
    const path = await stored(BYTES, bucket);
    expect((await get(`/api/images/${path}`, {}, server)).status).toBe(200);
    for (const behaviour of [{ kind: 'hang' }, { kind: 'refuse', status: 403, code: 'No' }] as const) {
      store.behave(() => behaviour);
      for (const asked of [`/api/images/${path}`, `/api/icons/renditions/${path}?size=16`]) {
        const answer = await get(asked, {}, server);
        expect([behaviour.kind, answer.status]).toEqual([behaviour.kind, 503]);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(answer.headers.get('cache-control') ?? '').not.toContain('immutable');
      }
    }
    store.behave(() => undefined);
    expect((await get(`/api/images/${path}`, {}, server)).status).toBe(200);
  });

  test('a file that breaks off is never taken for a whole one', async () => {
    const { store, bucket } = await openSandboxBucket();
    const server = await icons.serve(bucket);
    const path = await stored(randomBytes(500_000), bucket);
    store.behave(({ method }) => (method === 'GET' ? { kind: 'truncate' } : undefined));
    const reading = get(`/api/images/${path}`, {}, server).then((answer) => answer.arrayBuffer());
    await expect(reading).rejects.toThrow();
  });
});

describe('a rendition', () => {
  test('is made at the first request, kept, and served like the icon', async () => {
    const path = await stored(await picture());
    const asked = `/api/icons/renditions/${path}?size=32&format=webp`;
    const first = await get(asked);
    expect([first.status, first.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(first.headers.get('cache-control')).toContain('immutable');
    expect(first.headers.get('access-control-allow-origin')).toBe('*');
    const { width, height, format } = await sharp(Buffer.from(await first.arrayBuffer())).metadata();
    expect([width, height, format]).toEqual([32, 32, 'webp']);

    expect(
      await storage.stat(renditionPath(path, { kind: 'image', size: 32, format: 'webp' })),
    ).toBeDefined();
    const etag = first.headers.get('etag') ?? '';
    expect((await get(asked, { 'If-None-Match': etag })).status).toBe(304);
    const png = await get(`/api/icons/renditions/${path}?size=16`);
    expect([png.status, png.headers.get('content-type')]).toEqual([200, 'image/png']);
    const ico = await get(`/api/icons/renditions/${await stored(await picture())}/favicon.ico`);
    expect([ico.status, ico.headers.get('content-type')]).toEqual([200, 'image/x-icon']);
  });

  test.each([
    '',
    '?size=',
    '?size=17',
    '?size=2048',
    '?size=-16',
    '?size=16&size=32',
    '?size=16&format=avif',
    '?size=1e1',
  ])('is offered in listed sizes and formats only: %s', async (query) => {
    const answer = await get(`/api/icons/renditions/${await stored(await picture())}${query}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
  });

  test('is not larger than its icon', async () => {
    const path = await stored(await picture(64));
    expect((await get(`/api/icons/renditions/${path}?size=64`)).status).toBe(200);
    expect((await get(`/api/icons/renditions/${path}?size=96`)).status).toBe(422);
  });

  test.each([
    '/api/icons/renditions/tools/never-stored.png?size=16',
    '/api/icons/renditions/%2e%2e/outside.png?size=16',
    '/api/icons/renditions/tools/%2e%2e%2foutside.png?size=16',
    '/api/icons/renditions/tools/%00.png?size=16',
    '/api/icons/renditions/%2e%2e/outside.png/favicon.ico',
  ])('of nothing is nothing: %s', async (path) => {
    const raw = await rawExchange(api.url, [`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`]);
    expect(raw).toMatch(/^HTTP\/1\.1 404 /);
  });
});

/** Stores an icon as a worker does. */
async function recorded(
  folder: string,
  more: { readonly days?: number; readonly bytes?: Buffer; readonly category?: string } = {},
) {
  const path = `${folder}/${uniqueName(folder)}.png`;
  const bytes = more.bytes ?? BYTES;
  await storage.put(path, bytes);
  const created_at = Date.now() - (more.days ?? 0) * 86_400_000;
  const key = keyOf(path);
  await recordFile(icons.system.connection, {
    key,
    image_id: uniqueName('image'),
    call_id: undefined,
    tokens: null,
    file: { path, folder, size: bytes.length, created_at },
    metadata: {
      style: 'flat',
      color_scheme: 'blue_tones',
      category: more.category ?? 'Garden Tools',
      model: 'local-drawing-1',
    },
    generation_milliseconds: 2_100,
  });
  return { path, key, created_at };
}

describe('the cache', () => {
  test('lists what is stored, newest first, in the shape of the contract', async () => {
    const folder = `garden_tools_${randomBytes(4).toString('hex')}`;
    const older = await recorded(folder, { days: 2 });
    const newer = await recorded(folder, { days: 1 });
    const answer = await asOperator(
      `/api/icons/cached?category=${folder.toUpperCase().replaceAll('_', '%20')}`,
    );
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const listed = JSON.parse(await answer.text());
    expect(listed.map((icon: { url: string }) => icon.url)).toEqual([
      `/api/images/${newer.path}`,
      `/api/images/${older.path}`,
    ]);
    const created = new Date(newer.created_at).toISOString().slice(0, 19);
    expect(listed[0]).toEqual({
      filename: newer.path.split('/')[1],
      category: expect.stringMatching(/^Garden Tools [0-9A-F][0-9a-f]{7}$/),
      path: join(icons.root, newer.path),
      size: 1_000,
      created,
      url: `/api/images/${newer.path}`,
      id: newer.key.slice(0, 8),
      image_url: `/api/images/${newer.path}`,
      local_path: join(icons.root, newer.path),
      created_at: `${created}Z`,
      generation_time: 2.1,
      metadata: {
        style: 'flat',
        color_scheme: 'blue_tones',
        category: 'Garden Tools',
        model: 'local-drawing-1',
      },
    });
  });

  test('lists everything without a category, and nothing of an unknown one', async () => {
    const { path } = await recorded('sports');
    const all = JSON.parse(await (await asOperator('/api/icons/cached')).text());
    expect(all.map((icon: { url: string }) => icon.url)).toContain(`/api/images/${path}`);
    expect(await (await asOperator('/api/icons/cached?category=no%20such')).json()).toEqual([]);
    expect(await (await asOperator('/api/icons/cached?category=%2e%2e%2f')).json()).toEqual([]);
    expect((await asOperator('/api/icons/cached?category=a&category=b')).status).toBe(400);
    expect((await asOperator('/api/icons/cached?category[$ne]=x')).status).toBe(200);
  });

  test.each([
    'R&D tools',
    'Café',
    'two  spaces',
    'đồ gia dụng',
    '工具',
    'nul',
    `${'a long name '.repeat(6)}of a category`,
  ])('finds and clears %s by the name it was asked for with', async (category) => {
    const { path } = await recorded(iconFolder(category), { category });
    const query = encodeURIComponent(category.toUpperCase());
    const listed = JSON.parse(await (await asOperator(`/api/icons/cached?category=${query}`)).text());
    expect(listed.map((icon: { url: string }) => icon.url)).toEqual([`/api/images/${path}`]);
    expect(await (await clear({ category: ` ${category}` })).json()).toMatchObject({ cleared: 1 });
  });

  test('tells addresses below the public one', async () => {
    const server = await icons.serve(storage, { PUBLIC_BASE_URL: 'https://icons.example.test/' });
    const { path } = await recorded('books_media');
    const [icon] = JSON.parse(
      await (await asOperator('/api/icons/cached?category=books_media', server)).text(),
    );
    expect(icon.url).toBe(`https://icons.example.test/api/images/${path}`);
    expect(icon.image_url).toBe(icon.url);
  });

  test('lists the newest thousand at most', async () => {
    const folder = uniqueName('crowded');
    const files = Array.from({ length: 1_001 }, (_, at) => ({
      _id: `${folder}/${at}.png`,
      folder,
      size: 1_000,
      created_at: new Date(at),
      content_key: keyOf(`${folder}${at}`),
      generation_milliseconds: null,
      metadata: {
        style: 'flat',
        color_scheme: 'pastel',
        category: folder,
        model: 'local-drawing-1',
      } as const,
      saved: false,
    }));
    await iconFiles(icons.system.connection).insertMany(files);
    const listed = JSON.parse(await (await asOperator(`/api/icons/cached?category=${folder}`)).text());
    expect(listed).toHaveLength(1_000);
    expect(listed[0].url).toBe(`/api/images/${folder}/1000.png`);
  });

  test('needs a credential', async () => {
    for (const path of ['/api/icons/cached', '/api/icons/cache/clear', '/api/icons/batch/x/zip']) {
      const method = path.endsWith('clear') ? 'POST' : 'GET';
      const answer = await fetch(`${api.url}${path}`, { method });
      expect(answer.status).toBe(401);
    }
  });

  test('needs none in open mode', async () => {
    const server = await icons.serve(storage, { ICONS_OPEN_MODE: '1' });
    expect((await get('/api/icons/cached', {}, server)).status).toBe(200);
    const cleared = await fetch(`${server.url}/api/icons/cache/clear`, { method: 'POST' });
    expect(cleared.status).toBe(200);
  });

  test('is cleared by category, with all that was made of the icons, and spares saved ones', async () => {
    const icon = await recorded('medical', { bytes: await picture() });
    const saved = await recorded('medical');
    const other = await recorded('industrial');
    await markSaved(icons.system.connection, [saved.path]);
    expect((await get(`/api/icons/renditions/${icon.path}?size=16`)).status).toBe(200);
    expect((await get(`/api/icons/renditions/${icon.path}/favicon.ico`)).status).toBe(200);

    const answer = await clear({ category: 'Medical' });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ message: 'Cleared 1 cached icons', cleared: 1 });
    expect((await get(`/api/images/${icon.path}`)).status).toBe(404);
    expect((await get(`/api/icons/renditions/${icon.path}?size=16`)).status).toBe(404);
    expect((await get(`/api/icons/renditions/${icon.path}/favicon.ico`)).status).toBe(404);
    expect(await findFile(icons.system.connection, icon.path)).toBeUndefined();
    for (const { path } of [saved, other]) expect((await get(`/api/images/${path}`)).status).toBe(200);
  });

  test('is cleared by age: what is younger stays', async () => {
    const [old, young] = [
      await recorded('agricultural', { days: 8 }),
      await recorded('agricultural', { days: 6 }),
    ];
    expect(await (await clear({ category: 'agricultural', older_than_days: 7 })).json()).toMatchObject({
      cleared: 1,
    });
    expect((await get(`/api/images/${old.path}`)).status).toBe(404);
    expect((await get(`/api/images/${young.path}`)).status).toBe(200);
    expect(await (await clear({ category: 'agricultural', older_than_days: 5.5 })).json()).toMatchObject({
      cleared: 1,
    });
  });

  test.each([
    { older_than_days: -1 },
    { older_than_days: '7' },
    { older_than_days: [] },
    { older_than_days: true },
    { category: 7 },
    { category: { $ne: 'x' } },
    [],
    '"all"',
    '{',
  ])('%j clears nothing and is refused', async (body) => {
    const { path } = await recorded('automotive');
    const answer = await clear(body);
    expect([answer.status, await answer.json()]).toEqual([400, { message: expect.any(String) }]);
    expect((await get(`/api/images/${path}`)).status).toBe(200);
  });

  test.each([{ category: 'no such category' }, { category: '../medical' }, { older_than_days: 1e300 }])(
    '%j clears nothing',
    async (body) => {
      await recorded('automotive');
      expect(await (await clear(body)).json()).toEqual({ message: 'Cleared 0 cached icons', cleared: 0 });
    },
  );

  test('a storage that hangs is answered with 503 before the client gives up', async () => {
    const { store } = await openSandboxBucket();
    // It would be waited for much longer.
    const server = await icons.serve(bucketOf(store, { timeoutMilliseconds: 60_000 }));
    await recorded('industrial');
    store.behave(() => ({ kind: 'hang' }));
    const answer = await inTime(() => clear({ category: 'industrial' }, server));
    expect(answer.status).toBe(503);
  });

  test.each([undefined, {}, { category: null, older_than_days: 0 }, { category: ' ' }])(
    '%j clears all, however many',
    async (body) => {
      await clear();
      const many = await Promise.all(Array.from({ length: 120 }, () => recorded('toys_games')));
      expect(await (await clear(body)).json()).toEqual({ message: 'Cleared 120 cached icons', cleared: 120 });
      for (const { path } of many) expect(await storage.stat(path)).toBeUndefined();
    },
  );
});
