import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { batches, images } from '../../src/models/iconDocuments.ts';
import { CreditsApi } from '../support/creditsApi.ts';
import { type IconsAnswer, IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { type MongoLink, openMongoLink } from '../support/mongoLink.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/** A web process whose MongoDB hangs, which is worse than one that is away. */
const SHARED_KEY = uniqueName('shared-key');
const PRICE = { PENORA_API_KEY: SHARED_KEY, ICONS_CREDITS_PER_ICON: '1' };
const INITIAL = 50;

let icons: IconsSystem;
let link: MongoLink;
let url: string;
let credits: CreditsApi;

beforeAll(async () => {
  icons = await createIconsSystem('icons-outage');
  link = await openMongoLink(icons.system.mongoUrl);
  const [web, straight] = await Promise.all([
    icons.startWeb({ ...PRICE, MONGODB_URL: link.url }),
    icons.startWeb(PRICE),
    icons.startWorker(PRICE),
  ]);
  url = web.url;
  credits = new CreditsApi(straight.url, SHARED_KEY);
});
afterEach(() => link?.release());
afterAll(async () => {
  await icons?.remove();
  await link?.close();
});

const newWord = () => `w${randomBytes(6).toString('hex')}`;

/** Somebody with credits, once the process serves again. */
async function newPayer() {
  const user = await credits.newUser(uniqueName('payer'), INITIAL);
  const { token } = await icons.newAccount({ credits_user_id: user });
  const api = new IconsApi(url, token);
  await waitFor('it serves', async () =>
    (await api.get('/api/icons/batches')).status === 200 ? true : undefined,
  );
  return { user, api };
}

/** What goes on after the answer may only come to its commit then. */
function kept<T>(found: () => Promise<T | null>): Promise<T> {
  return waitFor('it is kept', async () => (await found()) ?? undefined);
}

function expectLate({ status, text, headers }: IconsAnswer): void {
  expect([status, text]).toEqual([503, expect.stringContaining('did not answer within')]);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
}

test('saving an icon is 503 in time when the answer to its commit does not come', async () => {
  const { api } = await newPayer();
  const { image_url } = (await api.generate({ category: newWord() })).body;
  link.holdCommits();
  expectLate(await api.post('/api/icons/save', { image_url }));
});

test('a batch that goes on after its sender was told to come back is not made', async () => {
  const { api } = await newPayer();
  const category = newWord();
  // The first one sets the credits aside.
  link.holdCommits(1);
  expectLate(await api.post('/api/icons/generate/batch', { categories: [category] }));
  const found = () => batches(icons.system.connection).findOne({ categories: category });
  expect(await kept(found)).toMatchObject({ status: 'pending', confirmed: false });
  link.release();
  await waitFor('it is cancelled', async () => ((await found())?.status === 'cancelled' ? true : undefined));
  expect(await found()).toMatchObject({ confirmed: false, cancelled: 1 });
});

test('an icon that goes on after its sender was told to come back is not made', async () => {
  const { user, api } = await newPayer();
  const category = newWord();
  link.holdCommits(1);
  expectLate(await api.post('/api/icons/generate', { category }));
  const found = () => images(icons.system.connection).findOne({ category });
  expect(await kept(found)).toMatchObject({ status: 'pending', confirmed: false });
  link.release();
  await waitFor('it is over', async () => ((await found())?.finished_at ? true : undefined));
  expect(await found()).toMatchObject({ status: 'cancelled' });
  await waitFor('its credits are back', async () =>
    (await credits.credits(user)) === INITIAL ? true : undefined,
  );
});

// The last ones, because what they ask for goes on when MongoDB answers again.
test.each<readonly [string, (api: IconsApi, batchId: string) => Promise<IconsAnswer>]>([
  ['starting a batch', (api) => api.post('/api/icons/generate/batch', { categories: [newWord()] })],
  ['asking for an icon', (api) => api.post('/api/icons/generate', { category: newWord() })],
  [
    'starting with a key',
    (api) =>
      api.post(
        '/api/icons/generate/batch',
        { categories: [newWord()] },
        { 'Idempotency-Key': uniqueName('key') },
      ),
  ],
  ['cancelling a batch', (api, batchId) => api.cancel(batchId)],
  ['retrying a batch', (api, batchId) => api.post(`/api/icons/batch/${batchId}/retry`)],
])('%s is 503 in time while MongoDB hangs', async (_, ask) => {
  const { api } = await newPayer();
  const batchId = await api.start({ categories: [newWord()] });
  await api.ended(batchId);
  link.hang();
  expectLate(await ask(api, batchId));
});
