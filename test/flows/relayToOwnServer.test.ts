import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const statsAnswer = z.object({ data: z.object({ stats: z.record(z.string(), z.number()) }) });

/** The other server is one of ours: what the relay posts is what the ingress takes. */
let here: TestSystem;
let there: TestSystem;

beforeEach(async () => {
  here = await createTestSystem('relay-here');
  there = await createTestSystem('relay-there');
  await here.addUsers([{ user_id: 7, user_name: 'Demo.Seller@example.test' }]);
  await there.addUsers([{ user_id: 12, user_name: 'demo.seller@example.test' }]);
});

afterEach(async () => {
  await Promise.all([here.remove(), there.remove()]);
});

test('what is posted here is counted there, exactly and once', async () => {
  const [web, otherWeb] = await Promise.all([here.startWeb(), there.startWeb()]);
  const stopThere = await startLocalWorkers(there, {});
  const stopHere = await startLocalWorkers(here, { USAGE_RELAY_URL: otherWeb.url });
  for (const cost of ['0.1', '0.2', '0.000001']) {
    const form = new URLSearchParams({
      userName: 'demo.SELLER@example.test',
      image_count: '1',
      image_cost: cost,
      timestamp: '2026-01-05 09:30:00',
    });
    const response = await fetch(`${web.url}/api/tools/update`, { method: 'POST', body: form });
    expect(response.status).toBe(200);
  }
  const stats = await waitFor('the reports there', async () => {
    const response = await fetch(
      `${otherWeb.url}/api/tools/stats/demo.seller@example.test?date_from=2026-01-05&date_to=2026-01-05`,
    );
    const { data } = statsAnswer.parse(await response.json());
    return data.stats.total_image_count === 3 ? data.stats : undefined;
  });
  expect(stats).toMatchObject({ total_image_cost: 0.300001, total_cost: 0.300001 });
  await Promise.all([stopHere(), stopThere()]);
});
