import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { findBalances } from '../../src/models/ledgerReads.ts';
import { setBatch } from '../models/iconFixtures.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';
import { CALLER, type IconsUnderTest, openIcons, requestOf } from './iconsUnderTest.ts';

const PRICE = 2;

let icons: IconsUnderTest;

beforeAll(async () => {
  icons = await openIcons({ ICONS_CREDITS_PER_ICON: String(PRICE) });
  icons.start();
});
afterAll(() => icons?.remove());

async function newCaller() {
  const user_id = uniqueName('payer');
  const names = { username: user_id, email: `${user_id}@example.test` };
  const ledger = new Ledger(icons.system.connection);
  await ledger.execute({ kind: 'create-user', user_id, ...names, initial_credits: 100 });
  return { ...CALLER, owner: user_id, credits_user_id: user_id };
}

/** Nothing has happened in the batch for as long as a sweep can wait. */
function age(batchId: string) {
  return setBatch(icons.system.connection, batchId, { progressed_at: new Date(0) });
}

test('what a call brings after its batch was failed and retried is the retry’s, and paid with its credits', async () => {
  const { connection } = icons.system;
  const answer = Promise.withResolvers<void>();
  icons.openai.behave(() => ({ kind: 'make', until: answer.promise }));
  const caller = await newCaller();
  const { style, color_scheme } = requestOf('');
  const request = { categories: ['slow'], variations: 1, style, color_scheme, elements: new Map() };
  const start = await icons.requests.startBatch(
    { ...request, metadata: null },
    caller,
    Number.POSITIVE_INFINITY,
  );
  if (start.kind !== 'started') throw new Error(start.kind);
  const { batch_id } = start;
  await waitFor('the call', async () => icons.openai.paid.length === 1 || undefined);

  await age(batch_id);
  await icons.sweep();
  expect(await icons.batch(batch_id)).toMatchObject({ status: 'failed', failed: 1 });
  await age(batch_id);
  await icons.sweep();
  expect(await icons.batch(batch_id)).toMatchObject({ settled: true });
  const available = async () => (await findBalances(connection, [caller.owner]))[0]?.available;
  expect(await available()).toBe(100);

  expect(await icons.requests.retryFailed(batch_id, caller)).toEqual({ kind: 'started', images: 1 });
  answer.resolve();
  expect(await icons.settled(batch_id)).toMatchObject({ status: 'completed', round: 2, successful: 1 });
  expect(await icons.images(batch_id)).toMatchObject([{ status: 'succeeded', cached: false }]);
  expect(icons.openai.paid).toHaveLength(1);
  expect(await available()).toBe(100 - PRICE);
  expect(icons.lines.filter((line) => line.includes('whose credits had come back'))).toEqual([]);
  await expectCleanLedger(icons.system);
});
