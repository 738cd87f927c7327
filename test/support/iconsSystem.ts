import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from '../../config/env.ts';
import { type OpenAiServer, startOpenAiServer } from '../../sandbox/openaiServer.ts';
import { AccessTokens } from '../../src/api/tokens/accessTokens.ts';
import type { Account, AccountDetails } from '../../src/domain/accounts/account.ts';
import { createAccount } from '../../src/models/accounts.ts';
import { IconsApi } from './iconsApi.ts';
import type { TestProcess } from './processes.ts';
import { createTestSystem, type TestSystem, uniqueName } from './testSystem.ts';

/** Web and worker processes that get their icons from a sandbox of OpenAI's API. */
export interface IconsSystem {
  readonly system: TestSystem;
  readonly openai: OpenAiServer;
  /** Of every process: the sandbox, the secret of the tokens, a folder for the files. */
  readonly environment: Readonly<Record<string, string>>;
  readonly storagePath: string;
  startWeb(more?: Readonly<Record<string, string>>): Promise<TestProcess & { readonly url: string }>;
  /** Of the icons' queues only. */
  startWorker(more?: Readonly<Record<string, string>>): Promise<TestProcess>;
  /** A new person who may have icons. */
  newAccount(
    details?: Partial<AccountDetails>,
  ): Promise<{ readonly account: Account; readonly token: string }>;
  newPerson(url: string, details?: Partial<AccountDetails>): Promise<IconsApi>;
  remove(): Promise<void>;
}

export async function createIconsSystem(label: string): Promise<IconsSystem> {
  const system = await createTestSystem(label);
  const apiKey = `sk-${randomBytes(12).toString('base64url')}`;
  const openai = await startOpenAiServer({ apiKey });
  const storagePath = await mkdtemp(join(tmpdir(), 'millrace-icons-'));
  const environment = {
    JWT_SECRET: randomBytes(32).toString('base64url'),
    OPENAI_API_KEY: apiKey,
    OPENAI_BASE_URL: openai.url,
    OPENAI_RATE_LIMIT_RPM: '10000',
    OPENAI_RATE_LIMIT_TPM: '100000000',
    OPENAI_RATE_LIMIT_IPM: '10000',
    STORAGE_PATH: storagePath,
  };
  const tokens = AccessTokens.open(readEnvironment({ ...system.environment, ...environment }));

  async function newAccount(details: Partial<AccountDetails> = {}) {
    const account = await createAccount(system.connection, {
      kind: 'person',
      roles: ['member'],
      email: `${uniqueName('icons')}@example.test`,
      ...details,
    });
    const issued = await tokens?.issue(account);
    if (!issued) throw new Error('There are no tokens');
    return { account, token: issued.token };
  }

  return {
    system,
    openai,
    environment,
    storagePath,
    startWeb: (more = {}) => system.startWeb({ ...environment, ...more }),
    startWorker: (more = {}) => system.startWorker({ ...environment, ...more }, ['icons', 'icon-batches']),
    newAccount,
    newPerson: async (url, details) => new IconsApi(url, (await newAccount(details)).token),
    async remove() {
      await system.remove();
      await openai.close();
      await rm(storagePath, { recursive: true, force: true });
    },
  };
}
