import { execFile } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listAuditEntries } from '../../src/models/auditLog.ts';
import { countCalls } from '../../src/models/iconCalls.ts';
import { iconsQueue } from '../../src/queues/icons.ts';
import { waitFor } from '../support/waitFor.ts';
import { type IconsUnderTest, openIcons } from '../workers/iconsUnderTest.ts';

let icons: IconsUnderTest;

beforeAll(async () => {
  icons = await openIcons({ OPENAI_TIMEOUT_SECONDS: '60' });
  icons.start();
});
afterAll(() => icons?.remove());

test('lists the calls of which nobody knows whether they were paid', async () => {
  icons.openai.behave(({ prompt }, earlier) =>
    prompt.includes('Doubtful') && earlier < 2 ? { kind: 'make-and-drop' } : undefined,
  );
  const doubtful = await icons.ask('doubtful');
  const { content_key, model, owner } = await icons.ended(doubtful);
  await icons.ended(await icons.ask('certain'));

  const counted = await command('calls');
  expect(JSON.parse(counted.stdout)).toEqual({ pending: 0, delivered: 1, refused: 0, unknown: 2 });
  const { code, stdout, stderr } = await command('calls', '--outcome', 'unknown');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const listed = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
  const call = {
    call_id: expect.any(String),
    image_id: doubtful,
    batch_id: null,
    owner,
    content_key,
    model,
    outcome: 'unknown',
    detail: 'The connection was lost',
    tokens: null,
    begun_at: time,
    ended_at: time,
  };
  expect(listed).toEqual([call, call]);
  const one = await command('calls', '--outcome', 'unknown', '--limit', '1');
  expect(JSON.parse(one.stdout)).toEqual(listed[0]);
  expect(await command('calls', '--outcome', 'pending')).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('pauses the queue and resumes it, and it is written down who did', async () => {
  const queue = icons.queues.of(iconsQueue);
  expect(await command('pause')).toMatchObject({ code: 0, stderr: '' });
  expect(await queue.isPaused()).toBe(true);
  const waiting = await icons.ask('waiting');
  expect(await queue.getJobState(waiting)).toBe('waiting');
  expect(await command('resume')).toMatchObject({ code: 0, stderr: '' });
  expect(await icons.ended(waiting)).toMatchObject({ status: 'succeeded' });
  const entries = await listAuditEntries(icons.system.connection, { limit: 10 });
  expect(entries.map(({ who, action, target }) => [who, action, target])).toEqual([
    ['command-line', 'icons.resume', 'icons'],
    ['command-line', 'icons.pause', 'icons'],
  ]);
});

test('ends the rest that the image API has asked for, which the log and the metrics tell', async () => {
  const held = Promise.withResolvers<void>();
  icons.openai.behave(({ prompt }) =>
    prompt.includes('Restless')
      ? { kind: 'rate-limit', retryAfter: { seconds: 86_400 }, until: held.promise }
      : undefined,
  );
  const restless = ['restless one', 'restless two', 'restless three'];
  const asked = await Promise.all(restless.map((category) => icons.ask(category)));
  await waitFor('their calls', async () => restlessCalls() === 3 || undefined);
  held.resolve();
  const told = () => icons.lines.filter((line) => line.includes('asks for less'));
  await waitFor('the end of the calls', async () => {
    const { refused } = await countCalls(icons.system.connection);
    const states = await Promise.all(
      asked.map((imageId) => icons.queues.of(iconsQueue).getJobState(imageId)),
    );
    // Each job runs from its call until it is put off.
    return (refused === 3 && states.every((state) => state === 'delayed')) || undefined;
  });
  expect(told()).toHaveLength(1);
  expect(JSON.parse(told()[0] ?? '')).toMatchObject({
    level: 40,
    model: 'gpt-image-2.5-flare',
    until: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
  });

  icons.openai.behave(() => undefined);
  const resumed = await command('resume');
  expect(resumed).toMatchObject({ code: 0, stderr: '' });
  expect(resumed.stdout).toMatch(/^Images are started again\.\n.*rest.*gpt-image-2\.5-flare.* 60 min\).*\n$/);
  for (const imageId of asked) {
    expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
  }
  expect((await command('resume')).stdout).toBe('Images are started again.\n');
});

const restlessCalls = () =>
  icons.openai.received.filter(({ generation }) => generation?.prompt.includes('Restless')).length;

test('says what it does not know', async () => {
  const wrong = await command('calls', '--outcome', 'lost');
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain('Allowed choices are pending, delivered, refused, unknown');
  expect((await command('calls', '--limit', '0')).stderr).toContain('a number from 1 to 10000');
});

function command(...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['scripts/icons.ts', ...options],
      { env: { ...process.env, NO_COLOR: '1', ...icons.system.environment } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
      },
    );
  });
}
