import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startMongo } from '../../embedded/mongo.ts';
import { startRedis } from '../../embedded/redis.ts';
import { type OpenAiServer, startOpenAiServer } from '../../sandbox/openaiServer.ts';
import { AccessTokens } from '../../src/api/tokens/accessTokens.ts';
import { createAccount } from '../../src/models/accounts.ts';
import { countCalls } from '../../src/models/iconCalls.ts';
import { findBatchImages } from '../../src/models/iconImages.ts';
import { CreditsApi } from '../support/creditsApi.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { IconsApi } from '../support/iconsApi.ts';
import { settledBatch } from '../support/settledBatch.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/** Everything is killed at once and started again: the databases, the web process and the workers. */
const IMAGES = 30;
const PRICE = 3;
/** The answers to the later calls are held back until everything was killed. */
const MADE_BEFORE = 10;

let folder: string;
let redis: EmbeddedServer;
let mongo: EmbeddedServer;
let openai: OpenAiServer;
let system: TestSystem;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-restart-'));
  [redis, mongo] = await Promise.all([
    startRedis({ dir: join(folder, 'redis') }),
    startMongo({ dir: join(folder, 'mongo') }),
  ]);
  system = await createTestSystem('icons-restart', { redisUrl: redis.url, mongoUrl: mongo.url });
  openai = await startOpenAiServer({ apiKey: 'sk-restart' });
});

afterAll(async () => {
  await system?.remove();
  await Promise.all([redis?.stop(), mongo?.stop(), openai?.close()]);
  await rm(folder, { recursive: true, force: true });
});

test('a batch goes on after everything was killed in its middle', async () => {
  const sharedKey = uniqueName('shared-key');
  const files = join(folder, 'files');
  const environment = {
    JWT_SECRET: randomBytes(32).toString('base64url'),
    PENORA_API_KEY: sharedKey,
    ICONS_CREDITS_PER_ICON: String(PRICE),
    OPENAI_API_KEY: 'sk-restart',
    OPENAI_BASE_URL: openai.url,
    OPENAI_RATE_LIMIT_RPM: '10000',
    OPENAI_RATE_LIMIT_TPM: '100000000',
    OPENAI_RATE_LIMIT_IPM: '10000',
    STORAGE_PATH: files,
  };
  const startAll = () =>
    Promise.all([
      system.startWeb(environment),
      system.startWorker(environment, ['icons', 'icon-batches']),
      system.startWorker(environment, ['icons', 'icon-batches']),
    ]);
  const killed = Promise.withResolvers<void>();
  openai.behave(() =>
    openai.paid.length < MADE_BEFORE ? undefined : { kind: 'make', until: killed.promise },
  );
  const processes = await startAll();
  const credits = new CreditsApi(processes[0].url, sharedKey);
  const user = await credits.newUser(uniqueName('payer'), 1_000);
  const before = await credits.credits(user);
  const token = await tokenFor(user, environment);
  const batchId = await new IconsApi(processes[0].url, token).start({
    categories: Array.from({ length: IMAGES }, (_, index) => `restart ${index}`),
  });

  await waitFor('the middle', async () => (openai.paid.length > MADE_BEFORE ? true : undefined));
  const servers = [redis, mongo];
  for (const { pid } of [...processes, ...servers]) process.kill(pid, 'SIGKILL');
  await Promise.all([...processes, ...servers].map(({ exited }) => exited));
  killed.resolve();
  expect(openai.paid.length).toBeLessThan(IMAGES);

  [redis, mongo] = await Promise.all([
    startRedis({ dir: join(folder, 'redis'), port: redis.port }),
    startMongo({ dir: join(folder, 'mongo'), port: mongo.port }),
  ]);
  const [web] = await startAll();
  const batch = await settledBatch(system.connection, batchId, 240_000);
  expect(batch).toMatchObject({ status: 'completed', successful: IMAGES, failed: 0, cancelled: 0 });
  for (const { file } of await findBatchImages(system.connection, batchId)) {
    expect((await stat(join(files, file?.path ?? 'none'))).size).toBe(file?.size);
  }
  const { pending, delivered, unknown } = await countCalls(system.connection);
  expect([pending, delivered]).toEqual([0, IMAGES]);
  expect(openai.paid.length).toBeLessThanOrEqual(IMAGES + unknown);
  expect((await new IconsApi(web.url, token).result(batchId)).status).toBe(200);
  expect(await new CreditsApi(web.url, sharedKey).credits(user)).toBe(before - PRICE * IMAGES);
  await expectCleanLedger(system);
});

/** Of somebody whose icons are charged to that user. */
async function tokenFor(user: string, environment: Readonly<Record<string, string>>): Promise<string> {
  const account = await createAccount(system.connection, {
    kind: 'person',
    roles: ['member'],
    email: `${user}@example.test`,
    credits_user_id: user,
  });
  const tokens = AccessTokens.open(readEnvironment({ ...system.environment, ...environment }));
  const issued = await tokens?.issue(account);
  if (!issued) throw new Error('There are no tokens');
  return issued.token;
}
