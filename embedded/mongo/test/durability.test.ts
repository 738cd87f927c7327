import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { MongoClient } from 'mongodb';
import { afterAll, describe, expect, it } from 'vitest';
import { launch, runToEnd, ServerProcess } from './support/serverProcess.ts';

interface Row {
  _id: string;
  payload: string;
}

interface Pair {
  _id: string;
  n: number;
}

describe('kill -9 under load', () => {
  it('keeps every acknowledged write, whole, and no transaction half', async () => {
    await using server = await ServerProcess.start();
    const acknowledged: string[] = [];
    for (let round = 0; round < 4; round++) {
      const client = await MongoClient.connect(server.url, {
        retryWrites: false,
        // How long the last ones wait for the server that was killed.
        serverSelectionTimeoutMS: 3_000,
      });
      const load = Promise.all(
        Array.from({ length: 10 }, (_, worker) =>
          writeUntilItFails(client, `${round}-${worker}`, acknowledged),
        ),
      );
      await expect.poll(() => acknowledged.length).toBeGreaterThan((round + 1) * 80);
      await server.kill('SIGKILL');
      await load;
      await client.close();
      await server.start();
    }
    const client = await MongoClient.connect(server.url);
    const rows = await client.db('crash').collection<Row>('rows').find().toArray();
    const present = new Set(rows.map(({ _id }) => _id));
    expect(acknowledged.filter((id) => !present.has(id))).toEqual([]);
    expect(rows.every(({ _id, payload }) => payload === _id.repeat(20))).toBe(true);
    const left = await client.db('crash').collection<Pair>('left').find().sort({ _id: 1 }).toArray();
    const right = await client.db('crash').collection<Pair>('right').find().sort({ _id: 1 }).toArray();
    expect(left).toEqual(right);
    await client.close();
  });
});

async function writeUntilItFails(client: MongoClient, name: string, acknowledged: string[]): Promise<void> {
  const database = client.db('crash');
  try {
    for (let index = 0; ; index++) {
      const id = `${name}-${index}`;
      await database.collection<Row>('rows').insertOne({ _id: id, payload: id.repeat(20) });
      acknowledged.push(id);
      await using session = client.startSession();
      // not withTransaction: it would go on trying for two minutes when the server is gone
      session.startTransaction();
      for (const side of ['left', 'right']) {
        await database
          .collection<Pair>(side)
          .updateOne({ _id: name }, { $inc: { n: 1 } }, { upsert: true, session });
      }
      await session.commitTransaction();
    }
  } catch {
    // the server is gone
  }
}

describe('a damaged data file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'embedded-mongo-damage-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A stopped server's files; killed ones keep their log. */
  async function filesAfter(signal: 'SIGKILL' | 'SIGTERM'): Promise<string> {
    await using server = await ServerProcess.start();
    const client = await MongoClient.connect(server.url);
    for (let index = 0; index < 20; index++) {
      await client
        .db('d')
        .collection<Row>('rows')
        .insertOne({ _id: `row-${index}`, payload: 'needle'.repeat(300) });
    }
    await client.close();
    expect(await server.kill(signal)).toBe(signal === 'SIGTERM' ? 0 : null);
    for (const suffix of ['', '-wal', '-open']) {
      const target = join(folder, basename(server.file)) + suffix;
      rmSync(target, { force: true });
      if (existsSync(server.file + suffix)) copyFileSync(server.file + suffix, target);
    }
    return join(folder, basename(server.file));
  }

  async function expectRefused(file: string, finding: RegExp): Promise<void> {
    const { code, stderr } = await runToEnd(['--file', file, '--port', '0']);
    expect(stderr).toMatch(finding);
    expect(stderr).toContain(file);
    expect(code).toBe(3);
  }

  function overwrite(file: string, position: number, bytes: Buffer): void {
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, bytes, 0, bytes.length, position);
    closeSync(descriptor);
  }

  it('is refused when a byte of a stored document is flipped', async () => {
    const file = await filesAfter('SIGTERM');
    overwrite(file, readFileSync(file).lastIndexOf('needle') + 2, Buffer.from('X'));
    await expectRefused(file, /does not match its checksum/);
  });

  it('is refused when it is cut off', async () => {
    const file = await filesAfter('SIGTERM');
    truncateSync(file, statSync(file).size / 2);
    await expectRefused(file, /damaged/);
  });

  it('is refused when it is empty or is not a database', async () => {
    const file = await filesAfter('SIGTERM');
    truncateSync(file, 0);
    await expectRefused(file, /is empty/);
    writeFileSync(file, 'this is not a database at all'.repeat(100));
    await expectRefused(file, /damaged/);
  });

  it('is refused when pages in the middle are overwritten', async () => {
    const file = await filesAfter('SIGTERM');
    overwrite(file, Math.floor(statSync(file).size / 8192) * 4096, Buffer.alloc(4096, 0xab));
    await expectRefused(file, /damaged/);
  });

  it('is refused when the log of a killed server is gone or its header is zeroed', async () => {
    const file = await filesAfter('SIGKILL');
    overwrite(`${file}-wal`, 0, Buffer.alloc(32));
    await expectRefused(file, /header/);
    truncateSync(`${file}-wal`, 0);
    await expectRefused(file, /missing or empty/);
    rmSync(`${file}-wal`);
    await expectRefused(file, /missing or empty/);
    rmSync(file);
    await expectRefused(file, /missing/);
  });

  it('is refused when a commit in the middle of the log is damaged, which SQLite would drop silently', async () => {
    const file = await filesAfter('SIGKILL');
    overwrite(`${file}-wal`, readFileSync(`${file}-wal`).indexOf('needle') + 1, Buffer.from('X'));
    await expectRefused(file, /frame at byte \d+ is broken, and commits follow it/);
  });

  it('is opened when only an unfinished commit at the end of the log is torn', async () => {
    const file = await filesAfter('SIGKILL');
    const { size } = statSync(`${file}-wal`);
    writeFileSync(
      `${file}-wal`,
      Buffer.concat([readFileSync(`${file}-wal`), readFileSync(`${file}-wal`).subarray(32, 2000)]),
    );
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(size);
    const child = launch(['--file', file, '--port', '0', '--exit-with-stdin']);
    const [line] = await once(child.stdout ?? child, 'data');
    const client = await MongoClient.connect(`mongodb://127.0.0.1:${JSON.parse(String(line)).port}`);
    expect(await client.db('d').collection('rows').countDocuments()).toBe(20);
    await client.close();
    child.stdin?.end();
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
  });
});
