import { afterAll, beforeAll, expect, test } from 'vitest';
import { countCalls } from '../../src/models/iconCalls.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { waitFor } from '../support/waitFor.ts';

let icons: IconsSystem;

beforeAll(async () => {
  icons = await createIconsSystem('icons-stop');
});
afterAll(() => icons?.remove());

test('a worker that is stopped waits for the call that is paid, longer than for anything else', {
  timeout: 60_000,
}, async () => {
  const { system, openai } = icons;
  const answer = Promise.withResolvers<void>();
  openai.behave(() => ({ kind: 'make', until: answer.promise }));
  const web = await icons.startWeb();
  // Of every queue: what the others run is no reason to end before.
  const worker = await system.startWorker({ ...icons.environment, DRAIN_TIMEOUT_SECONDS: '1' });
  const api = await icons.newPerson(web.url);
  const batch_id = await api.start({ categories: ['paid'] });
  await waitFor('the call', async () => openai.paid.length === 1 || undefined);

  worker.kill('SIGTERM');
  await worker.line((line) => line.includes('Jobs that must not be cut off are waited for'));
  answer.resolve();
  expect(await worker.exited).toEqual({ code: 0, signal: null });
  expect((await api.status(batch_id)).body).toMatchObject({ successful: 1, failed: 0 });
  expect(await countCalls(system.connection)).toEqual({ pending: 0, delivered: 1, refused: 0, unknown: 0 });
  expect(openai.paid).toHaveLength(1);
});
