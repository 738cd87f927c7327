import { parentPort } from 'node:worker_threads';
import { BatchWriter, changeKind } from './batch.ts';
import { Database, sqliteCode, sqliteDamaged } from './database.ts';
import { DataFileDamaged, DataFileInUse } from './errors.ts';
import type { StorageReply, StorageRequest } from './protocol.ts';

// The storage thread: owns SQLite, so that the main thread serves commands while a commit waits for the disk.

const rowsPerMessageBytes = 4 * 1024 * 1024;

let database: Database | null = null;
let rows: Iterator<void> | null = null;
const writer = new BatchWriter();

parentPort?.on('message', (request: StorageRequest) => {
  try {
    handle(request);
  } catch (error) {
    reply({
      type: 'failed',
      reason: reasonOf(error),
      message: error instanceof Error ? error.message : String(error),
    });
  }
});

function handle(request: StorageRequest): void {
  switch (request.type) {
    case 'open':
      database = new Database(request.file);
      rows = packRows(database);
      reply({ type: 'done' });
      return;
    case 'nextRows':
      sendRows();
      return;
    case 'commit':
      database?.commit(Buffer.from(request.batch, 0, request.length));
      reply({ type: 'done' });
      return;
    case 'close':
      database?.close();
      reply({ type: 'done' });
      parentPort?.close();
  }
}

function sendRows(): void {
  while (writer.bytes < rowsPerMessageBytes && rows?.next().done === false);
  if (writer.isEmpty) {
    reply({ type: 'done' });
    return;
  }
  const packed = writer.take();
  const { buffer } = packed;
  if (!(buffer instanceof ArrayBuffer)) throw new TypeError('a batch is not transferable');
  reply({ type: 'rows', batch: buffer, length: packed.length }, [buffer]);
}

function* packRows(from: Database): Generator<void> {
  const collections = [...from.collections()];
  for (const { record, bytes } of collections) {
    yield writer.add(changeKind.putCollection, record, 0, bytes);
    for (const row of from.documents(record))
      yield writer.add(changeKind.putDocument, record, row.record, row.bytes);
  }
  for (const { bytes } of from.sessions()) yield writer.add(changeKind.putSession, 0, 0, bytes);
}

function reply(message: StorageReply, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function reasonOf(error: unknown): 'inUse' | 'damaged' | 'other' {
  if (error instanceof DataFileInUse) return 'inUse';
  const code = sqliteCode(error);
  return error instanceof DataFileDamaged || (code !== null && sqliteDamaged.has(code)) ? 'damaged' : 'other';
}
