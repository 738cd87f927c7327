import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type ObjectStore,
  type StoreBehaviour,
  type StoreRequest,
  startObjectStore,
} from '../../sandbox/objectStore.ts';
import { iconPath } from '../../src/domain/icons/iconPath.ts';
import { countCalls } from '../../src/models/iconCalls.ts';
import { findFile, markSaved } from '../../src/models/iconFiles.ts';
import { iconsQueue } from '../../src/queues/icons.ts';
import { waitFor } from '../support/waitFor.ts';
import { type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

let store: ObjectStore;
let icons: IconsUnderTest;

beforeAll(async () => {
  store = await startObjectStore();
  icons = await openIcons({
    OPENAI_TIMEOUT_SECONDS: '60',
    STORAGE_DRIVER: 's3',
    S3_BUCKET: store.bucket,
    S3_ENDPOINT: store.url,
    S3_PATH_STYLE: '1',
    S3_ACCESS_KEY_ID: store.keys.accessKeyId,
    S3_SECRET_ACCESS_KEY: store.keys.secretAccessKey,
  });
});
let stop: () => Promise<void>;
// Each test has workers that have not tried the storage yet.
beforeEach(() => {
  store.behave(() => undefined);
  stop = icons.start();
});
afterEach(() => stop());
afterAll(async () => {
  await icons?.remove();
  await store?.close();
});

const DENIED: StoreBehaviour = { kind: 'refuse', status: 403, code: 'AccessDenied' };

function isPutOf(folder: string, { method, key }: StoreRequest): boolean {
  return method === 'PUT' && key.startsWith(`${folder}/`);
}

test('while the storage is away no icon is paid for, and none fails', async () => {
  store.behave(() => DENIED);
  const imageId = await icons.ask('waiting');
  const before = store.received.length;
  await waitFor('some runs', async () => (store.received.length > before + 2 ? true : undefined));
  expect(await icons.image(imageId)).toMatchObject({ status: 'pending', attempts: 0 });
  expect(icons.openai.received).toEqual([]);
  store.behave(() => undefined);
  const image = await icons.ended(imageId);
  expect(image).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(store.objects.get(image.file?.path ?? '')?.contentType).toBe('image/png');
});

test('an icon that was paid is stored once the storage takes it, without a second call', async () => {
  let refusals = 2;
  store.behave((request) => (isPutOf('paid', request) && refusals-- > 0 ? DENIED : undefined));
  expect(await icons.ended(await icons.ask('paid'))).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(icons.paid('paid')).toBe(1);
  expect(await countCalls(icons.system.connection)).toMatchObject({ pending: 0, unknown: 0 });
});

test('while nothing can be written no icon is paid for, although everything can be read', async () => {
  store.behave(({ method }) => (method === 'PUT' ? DENIED : undefined));
  const imageId = await icons.ask('read only');
  await waitFor('some tries', async () =>
    store.received.filter(({ key }) => key.startsWith('probe-')).length > 4 ? true : undefined,
  );
  expect(icons.paid('read only')).toBe(0);
  expect(await icons.image(imageId)).toMatchObject({ status: 'pending', attempts: 0 });
  store.behave(() => undefined);
  expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect([...store.objects.keys()].filter((key) => key.startsWith('probe-'))).toEqual([]);
});

test('an icon that cannot be stored after it was paid stops the queue, and tells it', async () => {
  const queue = icons.queues.of(iconsQueue);
  const outbox = icons.system.connection.collection('event_outbox');
  store.behave((request) => (isPutOf('refused', request) ? DENIED : undefined));
  const imageId = await icons.ask('refused');
  await waitFor('the pause', async () => ((await queue.isPaused()) ? true : undefined));
  await waitFor('the event', async () => (await outbox.findOne({ type: 'icons.paused' })) ?? undefined);
  expect(icons.paid('refused')).toBe(1);
  store.behave(() => undefined);
  await queue.resume();
  expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded' });
  expect(icons.paid('refused')).toBe(2);
});

test('an icon does not take the place of a file that a clearing is about to remove', async () => {
  const queue = icons.queues.of(iconsQueue);
  await queue.pause();
  const imageId = await icons.ask('twin');
  const { category, content_key } = await icons.image(imageId);
  // Forgotten files of the same icon, of the seconds in which it is made anew.
  const forgotten = [0, 1_000, 2_000].map(
    (later) => iconPath(category, content_key, Date.now() + later).path,
  );
  const old = { bytes: Buffer.from('old'), contentType: 'image/png', modified: new Date() };
  for (const path of forgotten) store.objects.set(path, old);
  await queue.resume();
  const path = (await icons.ended(imageId)).file?.path ?? '';
  expect(forgotten).not.toContain(path);
  expect(store.objects.get(path)?.bytes.length).toBeGreaterThan(100);
});

test('a saved icon whose file is gone is made anew for who asks, and its record stays', async () => {
  const { connection } = icons.system;
  const path = (await icons.ended(await icons.ask('keepsake'))).file?.path ?? '';
  await markSaved(connection, [path]);
  store.objects.delete(path);
  const again = await icons.ended(await icons.ask('keepsake'));
  expect(again).toMatchObject({ status: 'succeeded', cached: false });
  expect(await findFile(connection, path)).toMatchObject({ path, saved: true });
});
