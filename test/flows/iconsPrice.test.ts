import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKey } from '../../src/models/apiKeys.ts';
import { CreditsApi } from '../support/creditsApi.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { expectIconsRefusal, IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/** What an icon costs, and what is answered to those who cannot pay it. */
const SHARED_KEY = uniqueName('shared-key');
const PRICE = { PENORA_API_KEY: SHARED_KEY, ICONS_CREDITS_PER_ICON: '2' };

let icons: IconsSystem;
let url: string;
let credits: CreditsApi;

beforeAll(async () => {
  icons = await createIconsSystem('icons-price');
  const [web] = await Promise.all([icons.startWeb(PRICE), icons.startWorker(PRICE)]);
  url = web.url;
  credits = new CreditsApi(url, SHARED_KEY);
});
afterAll(() => icons?.remove());

/** Somebody with so many credits. */
async function newPayer(initial: number): Promise<{ readonly client: IconsApi; readonly user: string }> {
  const user = await credits.newUser(uniqueName('payer'), initial);
  return { client: await icons.newPerson(url, { credits_user_id: user }), user };
}

describe('with a price', () => {
  test('each icon that is delivered is charged, and what failed comes back', async () => {
    icons.openai.behave(({ prompt }) => (prompt.includes('Forbidden') ? { kind: 'moderate' } : undefined));
    const { client, user } = await newPayer(20);
    const before = await credits.credits(user);
    const batchId = await client.start({ categories: ['one', 'two', 'forbidden'] });
    expect(await client.ended(batchId)).toMatchObject({ successful: 2, failed: 1 });
    await waitFor(
      'unused credits are back',
      async () => (await credits.credits(user)) === before - 4 || undefined,
    );
    expect((await client.generate({ category: 'three' })).status).toBe(200);
    expect(await credits.credits(user)).toBe(before - 6);
    await expectCleanLedger(icons.system);
  });

  test('nothing is queued for an account whose credits do not suffice', async () => {
    const { client, user } = await newPayer(5);
    const before = await credits.credits(user);
    const tooMany = Array.from({ length: Math.floor(before / 2) + 1 }, (_, index) => `poor ${index}`);
    const batch = await client.post('/api/icons/generate/batch', { categories: tooMany });
    expectIconsRefusal(batch, 402, { message: 'Insufficient credits' });
    expect((await client.get('/api/icons/batches')).text).toBe('[]');
    expect(await credits.credits(user)).toBe(before);
    expect(icons.openai.paid.filter(({ prompt }) => prompt.includes('Poor'))).toEqual([]);
  });

  test('callers without a credits user are refused', async () => {
    const { text: key } = await createApiKey(icons.system.connection, {
      name: uniqueName('key'),
      scopes: ['icons'],
      expires_at: null,
      rate_limit_per_minute: null,
      created_by: 'test',
    });
    for (const client of [await icons.newPerson(url), new IconsApi(url, key)]) {
      const refusal = { message: 'Icons cost credits, and there is no credits user to charge' };
      expectIconsRefusal(await client.generate({ category: 'x' }), 402, refusal);
      const batch = await client.post('/api/icons/generate/batch', { categories: ['x'] });
      expectIconsRefusal(batch, 402, refusal);
    }
  });
});

test('a monthly limit counts icons of an account, and refuses a batch that would pass it', async () => {
  const web = await icons.startWeb({ ICONS_MONTHLY_LIMIT: '3' });
  const client = await icons.newPerson(web.url);
  expect((await client.generate({ category: 'monthly' })).status).toBe(200);
  const refusal = { message: 'The monthly limit of 3 icons is reached' };
  const batch = { categories: ['monthly', 'limit', 'passed'] };
  expectIconsRefusal(await client.post('/api/icons/generate/batch', batch), 402, refusal);
  await client.ended(await client.start({ categories: ['monthly', 'limit'] }));
  expectIconsRefusal(await client.generate({ category: 'monthly' }), 402, refusal);
  await web.stop();
});
