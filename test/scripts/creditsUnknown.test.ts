import { execFile } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CreditsSandbox, startCreditsServer } from '../../sandbox/creditsServer.ts';
import { BY_COMMAND } from '../../scripts/command/auditCommand.ts';
import { listAuditEntries } from '../../src/models/auditLog.ts';
import { CreditsServer } from '../../src/platforms/creditsServer.ts';
import { RemoteCredits } from '../../src/providers/credits/remote.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

const KEY = 'a-key-of-the-other-server';
const never = new AbortController().signal;

let system: TestSystem;
let server: CreditsSandbox;
let remote: RemoteCredits;

beforeAll(async () => {
  system = await createTestSystem('credits-cli');
  server = await startCreditsServer({ apiKey: KEY });
  const client = new CreditsServer(server.url, KEY);
  remote = new RemoteCredits(system.connection, client, createLogger('worker', 'silent'));
});
afterAll(async () => {
  await server.close();
  await system.remove();
});

test('lists a lost deduction, and one that was charged comes back when nobody uses it', async () => {
  const request = await loseDeduction('serve-and-drop');
  const { reservation_id: id, ...listed } = await listedFor(request.user_id);
  expect(listed).toEqual({
    state: 'deduct-unknown',
    user_id: request.user_id,
    amount: 3,
    app_name: 'icons',
    description: 'Icon batch',
    reference: request.reference,
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    problem: expect.stringContaining('no answer'),
  });
  const resolved = await credits('resolve', id, '--charged');
  expect(resolved).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(resolved.stdout)).toMatchObject({ reservation_id: id, state: 'reserved' });
  expect(await listAuditEntries(system.connection, { target: id, limit: 10 })).toMatchObject([
    { who: BY_COMMAND, action: 'credits.resolve', outcome: 'done' },
  ]);
  expect(await listedFor(request.user_id)).toBeUndefined();
  await remote.tidy(never, new Date(Date.now() + 3_600_000));
  expect(server.credits(request.user_id)).toBe(10);
});

test('one that was not charged stays without effect', async () => {
  const request = await loseDeduction('hang');
  const { reservation_id: id } = await listedFor(request.user_id);
  const resolved = await credits('resolve', id, '--not-charged');
  expect(JSON.parse(resolved.stdout)).toMatchObject({ state: 'unavailable' });
  await remote.tidy(never, new Date(Date.now() + 3_600_000));
  expect(server.credits(request.user_id)).toBe(10);
});

test('a finding is needed, one only, and something to resolve', async () => {
  const one = { code: 1, stdout: '', stderr: 'Say either --charged or --not-charged.\n' };
  const [none, both, unknown] = await Promise.all([
    credits('resolve', 'nothing'),
    credits('resolve', 'nothing', '--charged', '--not-charged'),
    credits('resolve', 'nothing', '--charged'),
  ]);
  expect(none).toEqual(one);
  expect(both).toEqual(one);
  expect(unknown).toEqual({ code: 1, stdout: '', stderr: 'No call of nothing waits for an operator.\n' });
});

async function loseDeduction(kind: 'hang' | 'serve-and-drop') {
  const request = {
    reference: uniqueName('reserve'),
    user_id: uniqueName('user'),
    amount: 3,
    app_name: 'icons',
    description: 'Icon batch',
    expires_in_milliseconds: 60_000,
  };
  server.setCredits(request.user_id, 10);
  server.behave(({ operation }) => (operation === 'deduct-credits' ? { kind } : undefined));
  // The question before the deduction has to be answered, also on a machine that stands still for a second.
  const impatient = new CreditsServer(server.url, KEY, 1_500);
  const outcome = await new RemoteCredits(
    system.connection,
    impatient,
    createLogger('worker', 'silent'),
  ).reserve(request);
  expect(outcome).toMatchObject({ kind: 'unknown' });
  server.behave(() => undefined);
  return request;
}

async function listedFor(userId: string) {
  const { code, stdout, stderr } = await credits('unknown');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line)).find((listed) => listed.user_id === userId);
}

function credits(...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['scripts/credits.ts', ...options],
      { env: { ...process.env, NO_COLOR: '1', MONGODB_URL: system.mongoUrl } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
      },
    );
  });
}
