import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Long, MongoClient } from 'mongodb';

// What a queue worker asks of the server, per transaction: one find by `_id`, one insertMany, one bulkWrite of
// upserts with $inc and $max, commit. Prints rows per second, and the server's CPU time, which says more than the
// clock on a machine that is shared.

const batch = 400;
const rounds = Number(process.argv[2] ?? 25);
const workers = Number(process.argv[3] ?? 4);

interface EventRow {
  _id: string;
  userName: string;
  tool: string;
  state: string;
  at: Date;
  amount: Long;
  key: string;
}

interface Total {
  _id: string;
  events: Long;
  a: Long;
  b: Long;
  c: Long;
  d: Long;
  last: Date;
}

const folder = mkdtempSync(join(tmpdir(), 'embedded-mongo-bench-'));
const main = new URL('../src/main.ts', import.meta.url).pathname;
const server = spawn(
  process.execPath,
  [main, '--file', join(folder, 'bench.sqlite'), '--port', '0', '--exit-with-stdin'],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
  },
);
const { port } = await new Promise<{ port: number }>((resolve) => {
  server.stdout.once('data', (line: Buffer) => resolve(JSON.parse(line.toString())));
});
const client = await MongoClient.connect(`mongodb://127.0.0.1:${port}/?replicaSet=rs0`);
const database = client.db('bench');
const rows = database.collection<EventRow>('rows');
const totals = database.collection<Total>('totals');
await rows.createIndexes([
  { key: { userName: 1, at: -1 } },
  { key: { tool: 1, at: 1 } },
  { key: { state: 1, at: 1 } },
  { key: { key: 1 }, unique: true, partialFilterExpression: { key: { $exists: true } } },
]);

function cpuSeconds(): number {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function measure(name: string, unit: string, count: number, run: () => Promise<void>): Promise<void> {
  const cpu = cpuSeconds();
  const start = performance.now();
  await run();
  const seconds = (performance.now() - start) / 1000;
  const used = cpuSeconds() - cpu;
  const perSecond = Math.round(count / seconds);
  process.stdout.write(
    `${name.padEnd(52)} ${String(perSecond).padStart(7)} ${unit}/s   ${((used / count) * 1e6).toFixed(0).padStart(5)} us server CPU each\n`,
  );
}

let nextRow = 0;

function newRows(): EventRow[] {
  return Array.from({ length: batch }, () => {
    const id = nextRow++;
    return {
      _id: `event-${id}`,
      userName: `user${id % 500}`,
      tool: `tool${id % 20}`,
      state: 'stored',
      at: new Date(1.79e12 + id * 1000),
      amount: Long.fromNumber(id * 1_000_000),
      key: `key-${id}`,
    };
  });
}

function upserts() {
  const one = Long.fromNumber(1);
  return Array.from({ length: batch }, (_, index) => ({
    updateOne: {
      filter: { _id: `total-${index}` },
      update: {
        $inc: { events: one, a: one, b: one, c: one, d: one },
        $max: { last: new Date(1.79e12 + nextRow * 1000) },
      },
      upsert: true,
    },
  }));
}

async function transaction(worker: number): Promise<void> {
  await client.withSession((session) =>
    session.withTransaction(async () => {
      const added = newRows();
      await rows.find({ _id: { $in: added.map(({ _id }) => _id) } }, { session }).toArray();
      await rows.insertMany(added, { session, ordered: false });
      const operations = upserts().map(({ updateOne: { filter, ...rest } }) => ({
        updateOne: { filter: { _id: `${filter._id}-${worker}` }, ...rest },
      }));
      await totals.bulkWrite(operations, { session, ordered: false });
    }),
  );
}

async function repeat(times: number, work: () => Promise<unknown>): Promise<void> {
  for (let index = 0; index < times; index++) await work();
}

const perRun = rounds * batch;
await measure('insertMany of 400 rows, 4 indexes', 'rows', perRun, () =>
  repeat(rounds, () => rows.insertMany(newRows(), { ordered: false })),
);
await totals.bulkWrite(upserts(), { ordered: false });
await measure('bulkWrite of 400 $inc/$max upserts, existing', 'upserts', perRun, () =>
  repeat(rounds, () => totals.bulkWrite(upserts(), { ordered: false })),
);
await measure('transactions, one after the other', 'events', perRun, () =>
  repeat(rounds, () => transaction(0)),
);
await measure(`transactions, ${workers} workers`, 'events', perRun * workers, async () => {
  await Promise.all(
    Array.from({ length: workers }, (_, worker) => repeat(rounds, () => transaction(worker))),
  );
});
await measure('findOne by _id, one after the other', 'finds', 4000, async () => {
  for (let index = 0; index < 4000; index++) await rows.findOne({ _id: `event-${index % nextRow}` });
});
await measure('insertOne, one after the other', 'inserts', 1000, () =>
  repeat(1000, () => database.collection('single').insertOne({ a: 1 })),
);
let single = 0;
await measure('insertOne, 50 callers', 'inserts', 5000, async () => {
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      while (single++ < 5000) await database.collection('single').insertOne({ a: single });
    }),
  );
});

await client.close();
server.kill('SIGTERM');
await new Promise((resolve) => server.once('exit', resolve));
rmSync(folder, { recursive: true });
