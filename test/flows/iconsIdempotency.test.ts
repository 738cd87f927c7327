import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { images } from '../../src/models/iconDocuments.ts';
import { CreditsApi, success } from '../support/creditsApi.ts';
import { expectIconsRefusal, IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { uniqueName } from '../support/testSystem.ts';

/** Starts that are sent again with the same Idempotency-Key, to two web processes. */
const SHARED_KEY = uniqueName('shared-key');
const PRICE = { PENORA_API_KEY: SHARED_KEY, ICONS_CREDITS_PER_ICON: '1' };
const OTHER_REQUEST = { message: 'This Idempotency-Key was used before with another request' };

let icons: IconsSystem;
let urls: readonly string[];
let credits: CreditsApi;

beforeAll(async () => {
  icons = await createIconsSystem('icons-once');
  const [one, other] = await Promise.all([
    icons.startWeb(PRICE),
    icons.startWeb(PRICE),
    icons.startWorker(PRICE),
  ]);
  urls = [one.url, other.url];
  credits = new CreditsApi(one.url, SHARED_KEY);
});
afterAll(() => icons?.remove());

const BATCH = '/api/icons/generate/batch';
const newKey = () => uniqueName('key');
const newWord = () => `w${randomBytes(6).toString('hex')}`;

/** Somebody with credits, as a client of each web process. */
async function newPayer(initial = 50) {
  const user = await credits.newUser(uniqueName('payer'), initial);
  const { token } = await icons.newAccount({ credits_user_id: user });
  const [one, other] = urls.map((url) => new IconsApi(url, token));
  if (!one || !other) throw new Error('There are two web processes');
  return { user, one, other };
}

describe('a batch', () => {
  test('is started once, whoever is asked and how often', async () => {
    const { user, one, other } = await newPayer();
    const before = await credits.credits(user);
    const headers = { 'Idempotency-Key': newKey() };
    const fields = { categories: [newWord(), newWord()] };
    const answers = await Promise.all(
      [one, other, one, other, one].map((client) => client.post(BATCH, fields, headers)),
    );
    for (const { status, text } of answers) expect([201, 409], text).toContain(status);
    expect(answers.map(({ status }) => status)).toContain(201);
    const again = await other.post(BATCH, { ...fields }, headers);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    for (const { status, text } of answers) if (status === 201) expect(text).toBe(again.text);
    expect((await one.get('/api/icons/batches')).body).toMatchObject([{ batch_id: again.body.batch_id }]);
    expect(await credits.credits(user)).toBe(before - 2);
  });

  test('of another body, or of somebody else with the same key, is another one', async () => {
    const { one, other } = await newPayer();
    const headers = { 'Idempotency-Key': newKey() };
    const first = await one.post(BATCH, { categories: ['a'] }, headers);
    expectIconsRefusal(await other.post(BATCH, { categories: ['b'] }, headers), 422, OTHER_REQUEST);
    const stranger = await newPayer();
    const own = await stranger.one.post(BATCH, { categories: ['a'] }, headers);
    expect([own.status, own.headers.get('idempotency-replayed')]).toEqual([201, null]);
    expect(own.body.batch_id).not.toBe(first.body.batch_id);
  });

  test('that was refused can be started with the same key later', async () => {
    const { user, one } = await newPayer(1);
    const available = await credits.credits(user);
    const categories = Array.from({ length: available + 1 }, (_, index) => `once ${index}`);
    const headers = { 'Idempotency-Key': newKey() };
    expect((await one.post(BATCH, { categories }, headers)).status).toBe(402);
    await success(credits.post('/add-credits', { user_id: user, amount: 5, app_name: 'test' }));
    const started = await one.post(BATCH, { categories }, headers);
    expect([started.status, started.headers.get('idempotency-replayed')]).toEqual([201, null]);
  });

  test('needs a key that can be taken', async () => {
    const { one } = await newPayer();
    const answer = await one.post(BATCH, { categories: ['a'] }, { 'Idempotency-Key': 'x'.repeat(201) });
    expectIconsRefusal(answer, 400, {
      message: 'Idempotency-Key has to be 1 to 200 visible ASCII characters',
    });
  });
});

describe('one icon', () => {
  test('is made and charged once, and its answer is given again', async () => {
    const { user, one, other } = await newPayer();
    const before = await credits.credits(user);
    const fields = { category: newWord() };
    const headers = { 'Idempotency-Key': newKey() };
    const first = await one.post('/api/icons/generate', fields, headers);
    const again = await other.post('/api/icons/generate', fields, headers);
    expect([again.status, again.text]).toEqual([200, first.text]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await credits.credits(user)).toBe(before - 1);
    const changed = await one.post('/api/icons/generate', { category: 'another' }, headers);
    expectIconsRefusal(changed, 422, OTHER_REQUEST);
  });

  test('whose state is no longer kept is not made again for its key', async () => {
    const { one } = await newPayer();
    const fields = { category: newWord() };
    const headers = { 'Idempotency-Key': newKey() };
    expect((await one.post('/api/icons/generate', fields, headers)).status).toBe(200);
    await images(icons.system.connection).deleteMany({ category: fields.category });
    expectIconsRefusal(await one.post('/api/icons/generate', fields, headers), 404, {
      message: 'The state of the icon of this Idempotency-Key is no longer kept',
    });
  });
});
