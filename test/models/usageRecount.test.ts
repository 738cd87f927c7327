import { afterEach, beforeEach, expect, test } from 'vitest';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { storeUsageEvents } from '../../src/models/usage.ts';
import { UsagePending } from '../../src/models/usagePending.ts';
import { recountUsage } from '../../src/models/usageRecount.ts';
import { beginRebuild, requireUsageTimeZone, UsageTimeZoneError } from '../../src/models/usageTimeZone.ts';
import { readUserTotals } from '../../src/models/usageTotals.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { startProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const HANOI = 'Asia/Ho_Chi_Minh';
const NEW_YORK = 'America/New_York';
const calendar = new BusinessCalendar(HANOI);
const HOUR = 3_600_000;

let system: TestSystem;

beforeEach(async () => {
  system = await createTestSystem('recount');
});
afterEach(() => system.remove());

test('finds no drift in sums of any size, voided reports among them', async () => {
  await store(5_000);
  expect(await recountUsage(system.connection, calendar, 10)).toMatchObject({
    rows: 5_001,
    drifted: 0,
    drifts: [],
    disturbed: false,
  });
  expect(await system.connection.db?.listCollections({ name: 'usage_buckets_recount' }).toArray()).toEqual(
    [],
  );
});

test('names every kind of drift, and a rebuild mends it', async () => {
  await store(50);
  const buckets = system.connection.collection<{ _id: string }>('usage_buckets');
  const [changed, missing] = await buckets.find().sort({ _id: 1 }).limit(2).toArray();
  if (!changed || !missing) throw new Error('two buckets');
  await buckets.updateOne({ _id: changed._id }, { $inc: { image_cost: 1n } });
  await buckets.deleteOne({ _id: missing._id });
  await buckets.insertOne({ ...changed, _id: '999:hour:0' });

  const verified = usage('verify');
  expect(await verified.exited).toMatchObject({ code: 1 });
  const said = verified.lines.join('\n');
  expect(said).toMatch(/image_cost: stored 0?\.?\d+, by the reports/);
  expect(said).toContain('by the reports nothing');
  expect(said).toContain('stored nothing');
  expect(said).toMatch(/3 differ/);

  const rebuilt = usage('rebuild');
  expect(await rebuilt.exited).toMatchObject({ code: 0 });
  expect(await recountUsage(system.connection, calendar, 10)).toMatchObject({ drifted: 0 });
});

test('a zone other than the one of the sums is refused until they are rebuilt', async () => {
  await requireUsageTimeZone(system.connection, NEW_YORK);
  // Nothing is stored yet, so that the zone is free.
  await requireUsageTimeZone(system.connection, HANOI);
  await store(50);
  await expect(requireUsageTimeZone(system.connection, NEW_YORK)).rejects.toThrow(UsageTimeZoneError);

  for (const entry of ['src/workers/main.ts', 'src/api/main.ts']) {
    const refused = startProcess(entry, { ...system.environment, BUSINESS_TIME_ZONE: NEW_YORK });
    const line = await refused.line((text) => text.startsWith('BUSINESS_TIME_ZONE is'));
    expect(line).toContain(`${NEW_YORK}, but the stored usage totals were cut in ${HANOI}`);
    expect(line).toContain('npm run usage -- rebuild');
    expect(await refused.exited).toEqual({ code: 78, signal: null });
  }

  expect(await usage('rebuild', { BUSINESS_TIME_ZONE: NEW_YORK }).exited).toMatchObject({ code: 0 });
  await requireUsageTimeZone(system.connection, NEW_YORK);
  await expect(requireUsageTimeZone(system.connection, HANOI)).rejects.toThrow(UsageTimeZoneError);
  const newYork = new BusinessCalendar(NEW_YORK);
  const pending = new UsagePending(system.redis, `{${system.prefix}:usage}`, newYork);
  const day = newYork.startOf('day', Date.UTC(2026, 0, 5));
  const { totals } = await readUserTotals({ connection: system.connection, pending, calendar: newYork }, 1, {
    first: day,
    end: newYork.addDays(day, 1),
  });
  const expected = reports(50).filter(
    (each) => each.user_id === 1 && day <= each.at && each.at < day + 24 * HOUR,
  );
  expect(totals.image_count).toBe(BigInt(expected.length));
});

test('an interrupted rebuild keeps everybody out, and workers keep a rebuild out', async () => {
  await store(10);
  const stop = await startLocalWorkers(system, {}, ['usage']);
  const refused = usage('rebuild');
  expect(await refused.exited).toMatchObject({ code: 1 });
  expect(refused.lines.join()).toContain('1 worker process(es) store usage reports');
  await stop();

  await beginRebuild(system.connection, HANOI);
  await expect(requireUsageTimeZone(system.connection, HANOI)).rejects.toThrow(/interrupted/);
  expect(await usage('rebuild').exited).toMatchObject({ code: 0 });
  await requireUsageTimeZone(system.connection, HANOI);
});

test('a rebuild that something else disturbs is not released, and fails', async () => {
  await store(30_000);
  const rebuilding = usage('rebuild');
  await waitFor('the recount', async () => {
    const found = await system.connection.db?.listCollections({ name: 'usage_buckets_recount' }).toArray();
    return found?.[0];
  });
  const late = reports(1).map((event) => ({ ...event, record_id: 1_000_000 }));
  await storeUsageEvents(system.connection, late, { calendar, relay: false });
  expect(await rebuilding.exited).toMatchObject({ code: 1 });
  expect(rebuilding.lines.join('\n')).toContain('Not released');
  await expect(requireUsageTimeZone(system.connection, HANOI)).rejects.toThrow(/interrupted/);
});

function usage(command: string, environment: Record<string, string> = {}) {
  return startProcess('scripts/usage.ts', { ...system.environment, ...environment }, [command]);
}

/** And one that takes the first report back. */
async function store(count: number): Promise<void> {
  const events = reports(count);
  const [first] = events;
  if (first) events.push({ ...negated(first), record_id: count + 1, voids: first.record_id });
  for (let start = 0; start < events.length; start += 1_000) {
    await storeUsageEvents(system.connection, events.slice(start, start + 1_000), { calendar, relay: false });
  }
  await requireUsageTimeZone(system.connection, HANOI).catch(() => undefined);
}

function negated(event: UsageEvent): UsageEvent {
  return {
    ...event,
    image_count: -event.image_count,
    image_cost: -event.image_cost,
    total_cost: -event.total_cost,
  };
}

/** Of three users, an hour apart. */
function reports(count: number): UsageEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    record_id: index + 1,
    user_id: (index % 3) + 1,
    received_at: Date.UTC(2026, 0, 7) + index,
    at: Date.UTC(2026, 0, 4) + (index % 60) * HOUR,
    timestamp_sent: true,
    image_count: 1,
    image_cost: 20_300 + index,
    video_count: 0,
    video_cost: 0,
    total_cost: 90_000_000_000_000 - index,
  }));
}
