import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { UsageApi } from '../support/usageApi.ts';
import { waitFor } from '../support/waitFor.ts';

/** The largest cost that a report may have. A thousand of them are more than 64 bits of micro-units. */
const LARGEST_COST = '9007199254.740991';
const REPORTS = 1_500;

let system: TestSystem;
let api: UsageApi;

beforeAll(async () => {
  system = await createTestSystem('hugesums');
  await system.addUsers([
    { user_id: 1, user_name: 'huge.seller' },
    { user_id: 2, user_name: 'small.seller' },
  ]);
  const [web] = await Promise.all([system.startWeb(), system.startWorker()]);
  api = new UsageApi(web.url, system.adminKey);
});

afterAll(() => system.remove());

test('a sum beyond 64 bits is stored and exact, and hurts nobody else', async () => {
  const huge = Array.from({ length: REPORTS }, () => ({ userName: 'huge.seller', total_cost: LARGEST_COST }));
  const events = [...huge, { userName: 'small.seller', total_cost: '0.1' }];
  expect((await api.batch(JSON.stringify(events))).status).toBe(200);

  const records = system.connection.collection('usage_records');
  await waitFor('every report is stored', async () =>
    (await records.countDocuments()) === events.length ? true : undefined,
  );
  const hugeStats = await api.ask('/api/tools/stats/huge.seller');
  expect(hugeStats.text).toContain('"total_cost":13510798882111.4865');
  const smallStats = await api.ask('/api/tools/stats/small.seller');
  expect(smallStats.text).toContain('"total_cost":0.1');
});
