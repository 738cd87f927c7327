import { existsSync } from 'node:fs';
import { join } from 'node:path';
import mongoose, { type Connection } from 'mongoose';
import { expect, onTestFinished, test } from 'vitest';
import { startMongo } from '../../embedded/mongo.ts';
import { BY_COMMAND } from '../../scripts/command/auditCommand.ts';
import { findHolder, lockDataFolder } from '../../scripts/start/dataFolder.ts';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { listAuditEntries } from '../../src/models/auditLog.ts';
import { prepareCollections } from '../../src/models/collections.ts';
import { storeUsageEvents } from '../../src/models/usage.ts';
import { requireUsageTimeZone } from '../../src/models/usageTimeZone.ts';
import { type CommandResult, readDemo, startSystem, startVariables } from '../start/testStart.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { waitFor } from '../support/waitFor.ts';

const HANOI = 'Asia/Ho_Chi_Minh';
const NEW_YORK = 'America/New_York';

test('on a data folder that nobody uses, both start the databases themselves and stop them again', async () => {
  const folder = await madeFolder();
  await change(folder, async (connection) => {
    await connection.collection('usage_buckets').updateOne({ unit: 'month' }, { $inc: { image_count: 1 } });
  });
  const drifted = await usage(folder, 'verify');
  expect(drifted.code).toBe(1);
  expect(drifted.output).toContain('image_count: stored 4, by the reports 3');
  expect(drifted.output).toContain('1 differ.');

  const rebuilt = await usage(folder, 'rebuild', NEW_YORK);
  expect(rebuilt).toEqual({ code: 0, output: `3 reports, 6 sums: all exact.\nRebuilt for ${NEW_YORK}.` });
  await change(folder, async (connection) => {
    expect(await listAuditEntries(connection, { limit: 10 })).toMatchObject([
      { who: BY_COMMAND, action: 'usage.rebuild', target: `3 reports for ${NEW_YORK}`, outcome: 'done' },
    ]);
  });
  expect(await usage(folder, 'verify', NEW_YORK)).toEqual({
    code: 0,
    output: '3 reports, 6 sums: all exact.',
  });
  expect(await usage(folder, 'verify', HANOI)).toMatchObject({
    code: 1,
    output: expect.stringMatching(
      /^BUSINESS_TIME_ZONE is Asia\/Ho_Chi_Minh, but .* cut in America\/New_York/,
    ),
  });
  expect(findHolder(folder)).toBeUndefined();
});

test('others are told who has the folder, and a killed command leaves it free', async () => {
  const folder = await madeFolder();
  const killed = startUsage(folder, 'rebuild', NEW_YORK);
  await waitFor('Redis', async () => (existsSync(join(folder, 'redis', 'redis.pid')) ? true : undefined));
  killed.kill('SIGSTOP');
  const other = await usage(folder, 'verify');
  expect(other.code).toBe(1);
  expect(other.output).toContain(`npm run usage -- rebuild (pid ${killed.pid}) is using`);
  killed.kill('SIGKILL');
  await killed.exited;
  expect(await usage(folder, 'rebuild', NEW_YORK)).toMatchObject({ code: 0 });
});

test('beside npm start verify works, and rebuild works once that is stopped', async () => {
  const folder = await temporaryFolder();
  const system = await startSystem(folder);
  const { base_url: url, seller } = await readDemo(folder);
  const body = new URLSearchParams({ userName: seller.userName, image_count: '3' });
  expect((await fetch(`${url}/api/tools/update`, { method: 'POST', body })).status).toBe(200);
  await waitFor('the report to be stored', async () => {
    const { output } = await usage(folder, 'verify');
    return output === '1 reports, 3 sums: all exact.' ? true : undefined;
  });

  const refused = await usage(folder, 'rebuild', NEW_YORK);
  expect(refused.code).toBe(1);
  expect(refused.output).toContain(`npm start (pid ${system.pid}) runs on this data. Stop it first`);
  expect(await usage(folder, 'verify')).toMatchObject({ code: 0 });

  await system.stop();
  expect(await usage(folder, 'rebuild', NEW_YORK)).toMatchObject({ code: 0 });
  expect(await usage(folder, 'verify', NEW_YORK)).toMatchObject({ code: 0 });
});

test('without data there is nothing to do, and none is made', async () => {
  const folder = join(await temporaryFolder(), 'data');
  expect(await usage(folder, 'rebuild')).toEqual({
    code: 1,
    output: `There is no data in ${folder}. npm start makes it; or set REDIS_URL and MONGODB_URL.`,
  });
  expect(existsSync(folder)).toBe(false);
});

test('a folder whose databases cannot be reached is left alone', async () => {
  const folder = await temporaryFolder();
  const lock = lockDataFolder(folder, 'the test');
  onTestFinished(() => lock.release());
  expect(await usage(folder, 'verify')).toMatchObject({
    code: 1,
    output: expect.stringMatching(/^the test \(pid \d+\) is using .* Try again in a moment\.$/),
  });
});

function startUsage(folder: string, command: string, timeZone: string): TestProcess {
  const variables = { ...startVariables(folder), BUSINESS_TIME_ZONE: timeZone };
  return startProcess('scripts/usage.ts', variables, [command]);
}

async function usage(folder: string, command: string, timeZone = HANOI): Promise<CommandResult> {
  const running = startUsage(folder, command, timeZone);
  const { code } = await running.exited;
  return { code, output: running.lines.join('\n') };
}

/** A stopped data folder with three reports an hour apart: of one day in Hanoi, of two in New York. */
async function madeFolder(): Promise<string> {
  const folder = await temporaryFolder();
  await change(folder, async (connection) => {
    await prepareCollections(connection);
    await requireUsageTimeZone(connection, HANOI);
    const events = [1, 2, 3].map(event);
    await storeUsageEvents(connection, events, { calendar: new BusinessCalendar(HANOI), relay: false });
  });
  return folder;
}

async function change(folder: string, work: (connection: Connection) => Promise<void>): Promise<void> {
  const mongo = await startMongo({ dir: join(folder, 'mongo') });
  const connection = await mongoose.createConnection(mongo.url).asPromise();
  await work(connection);
  await connection.close();
  await mongo.stop();
}

function event(recordId: number): UsageEvent {
  const at = Date.UTC(2026, 0, 5, 3 + recordId);
  return {
    record_id: recordId,
    user_id: 1,
    received_at: at,
    at,
    timestamp_sent: true,
    image_count: 1,
    image_cost: 20_300,
    video_count: 0,
    video_cost: 0,
    total_cost: 20_300,
  };
}
