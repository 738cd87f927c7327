import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ObjectStore, startObjectStore } from '../../sandbox/objectStore.ts';
import { countCalls } from '../../src/models/iconCalls.ts';
import { waitFor } from '../support/waitFor.ts';
import { type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

let store: ObjectStore;
let icons: IconsUnderTest;

beforeAll(async () => {
  store = await startObjectStore();
  icons = await openIcons({
    STORAGE_DRIVER: 's3',
    S3_BUCKET: store.bucket,
    S3_ENDPOINT: store.url,
    S3_PATH_STYLE: '1',
    S3_ACCESS_KEY_ID: store.keys.accessKeyId,
    S3_SECRET_ACCESS_KEY: store.keys.secretAccessKey,
  });
  icons.start();
});
afterAll(async () => {
  await icons?.remove();
  await store?.close();
});

test('while the storage is away no icon is paid for, and none fails', async () => {
  store.behave(() => ({ kind: 'refuse', status: 403, code: 'AccessDenied' }));
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
  store.behave(({ method }) =>
    method === 'PUT' && refusals-- > 0 ? { kind: 'refuse', status: 403, code: 'AccessDenied' } : undefined,
  );
  expect(await icons.ended(await icons.ask('paid'))).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(icons.paid('paid')).toBe(1);
  expect(await countCalls(icons.system.connection)).toMatchObject({ pending: 0, unknown: 0 });
});
