import { expect, test } from 'vitest';
import { ImageWaiter } from '../../src/api/routes/icons/imageWaiter.ts';
import type { IconImage, ImageStatus } from '../../src/domain/icons/icon.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { waitFor } from '../support/waitFor.ts';

const A_WHILE = 60_000;
const NOBODY_GOES = new AbortController().signal;

/** A store with one image, and a waiter that looks at it. */
function waiting({ recheckMilliseconds = A_WHILE } = {}) {
  const store = {
    status: 'pending' as ImageStatus,
    reads: 0,
    readIds: [] as string[],
    failure: undefined as Error | undefined,
  };
  const waiter = new ImageWaiter({
    recheckMilliseconds,
    async read(image_id) {
      store.reads += 1;
      store.readIds.push(image_id);
      if (store.failure) throw store.failure;
      return image_id === 'unknown' ? undefined : imageOf(image_id, store.status);
    },
  });
  return { store, waiter };
}

function imageOf(image_id: string, status: ImageStatus): IconImage {
  return {
    image_id,
    batch_id: null,
    index: 0,
    owner: 'somebody',
    category: 'tools',
    style: 'modern',
    color_scheme: 'brand_colors',
    elements: [],
    variation: 1,
    total_variations: 1,
    content_key: '0'.repeat(64),
    prompt: 'A prompt.',
    model: 'a-model',
    status,
    attempts: 0,
    error: null,
    file: null,
    cached: false,
    generation_milliseconds: null,
    credits: 0,
    reservation_id: null,
    asked_at: 0,
    finished_at: null,
  };
}

test.each(['succeeded', 'failed', 'cancelled'] as const)(
  'an image that is %s is there at once',
  async (status) => {
    const { store, waiter } = waiting();
    store.status = status;
    expect(await waiter.wait('a', A_WHILE, NOBODY_GOES)).toMatchObject({ image_id: 'a', status });
  },
);

test('its signal ends the wait, and another one does not', async () => {
  const { store, waiter } = waiting();
  const wait = waiter.wait('a', A_WHILE, NOBODY_GOES);
  const other = waiter.wait('b', A_WHILE, NOBODY_GOES);
  await waitFor('the first looks', async () => store.reads === 2 || undefined);
  store.status = 'succeeded';
  waiter.signal('b');
  expect(await other).toMatchObject({ image_id: 'b' });
  expect(store.readIds).toEqual(['a', 'b', 'b']);
  waiter.signal('a');
  expect(await wait).toMatchObject({ image_id: 'a', status: 'succeeded' });
});

test('a lost signal, and a store that was away, only cost time', async () => {
  const { store, waiter } = waiting({ recheckMilliseconds: 5 });
  store.failure = new ServiceUnavailableError('MongoDB is away', 1);
  const wait = waiter.wait('a', A_WHILE, NOBODY_GOES);
  await waitFor('some looks', async () => store.reads > 2 || undefined);
  store.failure = undefined;
  store.status = 'succeeded';
  expect(await wait).toMatchObject({ status: 'succeeded' });
});

test('a listener that was not connected makes everybody look again', async () => {
  const { store, waiter } = waiting();
  const waits = ['a', 'b'].map((id) => waiter.wait(id, A_WHILE, NOBODY_GOES));
  await waitFor('the first looks', async () => store.reads === 2 || undefined);
  store.status = 'failed';
  waiter.signalAll();
  expect(await Promise.all(waits)).toMatchObject([{ image_id: 'a' }, { image_id: 'b' }]);
});

test('time, a client that goes, and the end of the process end it without an image', async () => {
  const { store, waiter } = waiting();
  expect(await waiter.wait('a', 1, NOBODY_GOES)).toBeUndefined();
  expect(await waiter.wait('unknown', 1, NOBODY_GOES)).toBeUndefined();

  const client = new AbortController();
  const abandoned = waiter.wait('a', A_WHILE, client.signal);
  client.abort();
  expect(await abandoned).toBeUndefined();

  const stopped = waiter.wait('a', A_WHILE, NOBODY_GOES);
  waiter.close();
  expect(await stopped).toBeUndefined();
  expect(await waiter.wait('a', A_WHILE, NOBODY_GOES)).toBeUndefined();
  store.status = 'succeeded';
  expect(await waiter.wait('a', A_WHILE, NOBODY_GOES)).toMatchObject({ status: 'succeeded' });
});

test('a defect is not waited out', async () => {
  const { store, waiter } = waiting();
  store.failure = new TypeError('a defect');
  await expect(waiter.wait('a', A_WHILE, NOBODY_GOES)).rejects.toThrow(TypeError);
});
