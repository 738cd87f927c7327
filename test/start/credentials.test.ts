import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { CredentialsError, openCredentials } from '../../scripts/start/credentials.ts';
import { readSettings } from '../../scripts/start/settings.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';

const fileIn = (folder: string) => join(folder, 'credentials.json');

test('are made once, of random bytes, for the owner only', async () => {
  const [folder, other] = [await temporaryFolder(), await temporaryFolder()];
  const made = openCredentials(folder);
  expect(openCredentials(folder)).toEqual(made);
  expect((await stat(fileIn(folder))).mode & 0o777).toBe(0o600);
  const secrets = (folderOf: string) => {
    const {
      admin,
      board,
      superadmin,
      company,
      edge,
      member,
      credits,
      secrets: own,
    } = openCredentials(folderOf);
    return [
      admin.api_key,
      admin.password,
      board.password,
      superadmin.password,
      company.password,
      edge.password,
      member.password,
      credits.api_key,
      credits.bonus_key,
      own.jwt,
      own.encryption_key,
    ];
  };
  expect(new Set([...secrets(folder), ...secrets(other)]).size).toBe(22);
});

test('of an earlier release are completed, and what they hold stays', async () => {
  const folder = await temporaryFolder();
  const earlier = {
    admin: { api_key: 'mr_admin_of-an-earlier-release' },
    board: { username: 'board', password: 'of-an-earlier-release' },
    seller: { userName: 'demo.seller' },
  };
  await writeFile(fileIn(folder), JSON.stringify(earlier));
  const completed = openCredentials(folder);
  expect(completed).toMatchObject(earlier);
  expect(JSON.parse(await readFile(fileIn(folder), 'utf8'))).toEqual(completed);
  expect(openCredentials(folder)).toEqual(completed);
  const again = await readFile(fileIn(folder), 'utf8');
  openCredentials(folder);
  expect(await readFile(fileIn(folder), 'utf8')).toBe(again);
});

test.each(['{', '[]', '"x"', '{"admin":{"api_key":"short"}}', '{"board":7}'])(
  '%s is not usable, and is left as it is',
  async (content) => {
    const folder = await temporaryFolder();
    await writeFile(fileIn(folder), content);
    expect(() => openCredentials(folder)).toThrow(CredentialsError);
    expect(await readFile(fileIn(folder), 'utf8')).toBe(content);
  },
);

test('are what the processes take, unless the environment says otherwise', async () => {
  vi.stubEnv('PORT', '0');
  onTestFinished(() => void vi.unstubAllEnvs());
  const folder = await temporaryFolder();
  const credentials = openCredentials(folder);
  const { variables, environment } = await readSettings(folder, credentials);
  expect(readEnvironment({ REDIS_URL: 'redis://h', MONGODB_URL: 'mongodb://h', ...variables })).toMatchObject(
    {
      JWT_SECRET: credentials.secrets.jwt,
      PENORA_API_KEY: credentials.credits.api_key,
      CREDITS_BONUS_KEY: credentials.credits.bonus_key,
      ENCRYPTION_KEY: { id: 'k1', key: expect.any(Buffer) },
    },
  );
  expect(environment.ENCRYPTION_KEY?.key).toHaveLength(32);
});
