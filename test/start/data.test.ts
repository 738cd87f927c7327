import { cp, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { SECRET_VARIABLES } from '../../config/env.ts';
import { startMongo } from '../../embedded/mongo.ts';
import { startRedis } from '../../embedded/redis.ts';
import { finishInterrupted } from '../../scripts/data/entries.ts';
import { openCredentials } from '../../scripts/start/credentials.ts';
import { lockDataFolder } from '../../scripts/start/dataFolder.ts';
import { startProcess } from '../support/processes.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { type CommandResult, runScript, startVariables } from './testStart.ts';

/** A stopped data folder with one key in Redis. */
async function madeFolder(value: string): Promise<string> {
  const folder = await temporaryFolder();
  openCredentials(folder);
  const redis = await startRedis({ dir: join(folder, 'redis') });
  const client = new Redis(redis.url);
  await client.set('value', value);
  client.disconnect();
  await redis.stop();
  const mongo = await startMongo({ dir: join(folder, 'mongo') });
  await mongo.stop();
  await mkdir(join(folder, 'files/tools'), { recursive: true });
  await writeFile(join(folder, 'files/tools/icon.png'), value);
  return folder;
}

async function valueIn(folder: string): Promise<string | null> {
  const redis = await startRedis({ dir: join(folder, 'redis') });
  const client = new Redis(redis.url);
  const value = await client.get('value');
  client.disconnect();
  await redis.stop();
  return value;
}

const data = (folder: string, ...args: string[]) => runScript('data.ts', folder, args);

/** With these variables, and without the keys of whoever runs the tests. */
async function dataWith(
  folder: string,
  variables: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<CommandResult> {
  const noKeys = Object.fromEntries(SECRET_VARIABLES.map((name) => [name, '']));
  const all = { ...startVariables(folder), ...noKeys, ...variables };
  const command = startProcess('scripts/data.ts', all, args);
  const { code } = await command.exited;
  return { code, output: command.lines.join('\n') };
}

test('a backup brings back data and keys, only over data that may go, and only whole', async () => {
  const source = await madeFolder('backed up');
  const archive = join(await temporaryFolder(), 'backup.tar.gz');
  expect(await data(source, 'backup', archive)).toMatchObject({ code: 0 });
  expect(await data(source, 'backup', archive)).toMatchObject({
    code: 1,
    output: expect.stringContaining('exists already'),
  });

  const target = await madeFolder('to be replaced');
  expect(await data(target, 'restore', archive)).toMatchObject({
    code: 1,
    output: expect.stringContaining('--yes'),
  });
  expect(await valueIn(target)).toBe('to be replaced');

  const torn = `${archive}.torn`;
  await cp(archive, torn);
  await truncate(torn, 1_000);
  expect(await data(target, 'restore', '--yes', torn)).toMatchObject({ code: 1 });
  expect(await valueIn(target)).toBe('to be replaced');

  expect(await data(target, 'restore', '--yes', archive)).toMatchObject({ code: 0 });
  expect(await valueIn(target)).toBe('backed up');
  expect(await readFile(join(target, 'files/tools/icon.png'), 'utf8')).toBe('backed up');
  expect(openCredentials(target)).toEqual(openCredentials(source));
  expect(await readdir(target)).not.toContainEqual(expect.stringMatching(/unfinished|restored/));
});

test('backup and restore say what the environment keeps out of them, by name only', async () => {
  const source = await madeFolder('backed up');
  const [elsewhere, archives] = [await temporaryFolder(), await temporaryFolder()];
  const key = `k1:${Buffer.alloc(32, 7).toString('base64')}`;
  const onDisk = { STORAGE_PATH: elsewhere, ENCRYPTION_KEY: key, JWT_SECRET: '' };
  const archive = join(archives, 'disk.tar.gz');
  const backedUp = await dataWith(source, onDisk, 'backup', archive);
  expect(backedUp.code).toBe(0);
  expect(backedUp.output).toContain(
    `The files in ${elsewhere} are not in this backup: copy them too.\n` +
      'Keys set in the environment are not in this backup: ENCRYPTION_KEY. Keep them too.',
  );
  expect(backedUp.output).not.toContain(key);

  const restored = await dataWith(await temporaryFolder(), onDisk, 'restore', archive);
  expect(restored.code).toBe(0);
  expect(restored.output).toContain(`The files in ${elsewhere} were not restored: bring back`);
  expect(restored.output).toContain(
    'Keys set in the environment are used, whatever the backup holds: ENCRYPTION_KEY.',
  );

  const inBucket = { STORAGE_DRIVER: 's3', S3_BUCKET: 'icons-here' };
  const bucket = await dataWith(source, inBucket, 'backup', join(archives, 'bucket.tar.gz'));
  expect(bucket.output).toContain('The files in the bucket icons-here are not in this backup');

  const usual = { STORAGE_PATH: join(source, 'files') };
  const whole = await dataWith(source, usual, 'backup', join(archives, 'whole.tar.gz'));
  expect(whole.code).toBe(0);
  expect(whole.output).not.toContain('not in this backup');
});

test('a file that is no backup is refused', async () => {
  const folder = await temporaryFolder();
  const file = join(folder, 'notes.tar.gz');
  await writeFile(file, 'not an archive');
  expect(await data(join(folder, 'data'), 'restore', file)).toMatchObject({
    code: 1,
    output: expect.stringContaining('cannot be unpacked'),
  });
});

test('a restore that was killed after it was accepted is finished by the next start', async () => {
  const folder = await temporaryFolder();
  const old = openCredentials(folder);
  const restored = join(folder, 'restored');
  await cp(join(folder, 'credentials.json'), join(restored, 'credentials.json'));
  await writeFile(
    join(restored, 'credentials.json'),
    JSON.stringify({ ...old, seller: { userName: 'restored' } }),
  );
  await finishInterrupted(folder);
  expect(openCredentials(folder).seller.userName).toBe('restored');
  expect(await readdir(folder)).toEqual(['credentials.json']);
});

test('reset asks first, and removes everything', async () => {
  const folder = await temporaryFolder();
  openCredentials(folder);
  await mkdir(join(folder, 'files'));
  expect(await data(folder, 'reset')).toMatchObject({ code: 1, output: expect.stringContaining('--yes') });
  expect(await readFile(join(folder, 'credentials.json'), 'utf8')).toContain('api_key');
  expect(await data(folder, 'reset', '--yes')).toMatchObject({ code: 0 });
  expect(await readdir(folder)).toEqual(['lock']);
});

test('a folder in use is left alone', async () => {
  const folder = await temporaryFolder();
  openCredentials(folder);
  const lock = lockDataFolder(folder, 'the test');
  for (const args of [
    ['reset', '--yes'],
    ['restore', '--yes', 'any.tar.gz'],
  ]) {
    expect(await data(folder, ...args)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`in use (the test, pid ${process.pid})`),
    });
  }
  lock.release();
  expect(await data(folder, 'reset', '--yes')).toMatchObject({ code: 0 });
});

test('with a configured server it says that this is not its business', async () => {
  const variables = { ...startVariables(await temporaryFolder()), MONGODB_URL: 'mongodb://127.0.0.1:1/x' };
  const command = startProcess('scripts/data.ts', variables, ['reset', '--yes']);
  expect(await command.exited).toMatchObject({ code: 1 });
  expect(command.lines.join('\n')).toContain('MONGODB_URL is set');
});

test('a data folder that cannot be used is told without a stack, by every program', async () => {
  const parent = await temporaryFolder();
  const file = join(parent, 'notes');
  await writeFile(file, 'a file');
  const blocked = join(parent, 'blocked');
  await mkdir(join(blocked, 'lock'), { recursive: true });
  await writeFile(join(blocked, 'running.json'), '{"pid": 1, "activity": "npm start"}');

  for (const folder of [file, join(file, 'below'), blocked]) {
    for (const [script, ...args] of [
      ['start.ts'],
      ['demo.ts'],
      ['users.ts', 'list'],
      ['data.ts', 'reset', '--yes'],
    ] as const) {
      const { code, output } = await runScript(script, folder, args);
      expect({ script, code, output }).toEqual({
        script,
        code: 1,
        output: expect.stringMatching(
          new RegExp(`^The data folder ${folder} cannot be used: .+; choose another with DATA_DIR\\.$`),
        ),
      });
    }
  }
});

test('a backup that cannot be written where it should go is refused', async () => {
  const source = await temporaryFolder();
  openCredentials(source);
  const file = join(source, 'notes');
  await writeFile(file, 'a file');
  for (const target of [join(file, 'backup.tar.gz'), join(source, 'none', 'backup.tar.gz')]) {
    const { code, output } = await data(source, 'backup', target);
    expect(code).toBe(1);
    expect(output).toMatch(/^The backup cannot be written there: E\w+: .+$/);
  }
});
