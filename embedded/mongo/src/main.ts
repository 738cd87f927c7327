#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { type MongoServer, startMongoServer } from './server.ts';
import { DataFileDamaged, DataFileInUse } from './storage/errors.ts';

const exitCode = { failed: 1, fileInUse: 2, fileDamaged: 3, commitFailed: 4 } as const;
const usage =
  'usage: node embedded/mongo/src/main.ts --file <path.sqlite> --port <0 = any free> [--host 127.0.0.1] [--exit-with-stdin]';

function log(message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${message}\n`);
}

function fail(error: unknown): never {
  log(error instanceof Error ? error.message : String(error));
  if (error instanceof DataFileInUse) process.exit(exitCode.fileInUse);
  if (error instanceof DataFileDamaged) process.exit(exitCode.fileDamaged);
  process.exit(exitCode.failed);
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      file: { type: 'string' },
      port: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      'exit-with-stdin': { type: 'boolean', default: false },
    },
  });
  const port = Number(values.port);
  if (
    values.file === undefined ||
    values.port === undefined ||
    !Number.isInteger(port) ||
    port < 0 ||
    port > 65535
  ) {
    throw new Error(`--file and --port (0 to 65535) are needed; ${usage}`);
  }
  return { file: values.file, port, host: values.host, exitWithStdin: values['exit-with-stdin'] };
}

function stopOnSignals(server: MongoServer, exitWithStdin: boolean): void {
  let isStopping = false;
  const stop = (reason: string) => {
    if (isStopping) return;
    isStopping = true;
    log(`stopping: ${reason}`);
    server.close().then(() => process.exit(0), fail);
  };
  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
  if (exitWithStdin) {
    // a pipe ends, a broken one only closes
    for (const event of ['end', 'close'])
      process.stdin.once(event, () => stop('the starting process closed stdin'));
    process.stdin.resume();
  }
  void server.failed.then(async (failure) => {
    log(failure.message);
    await server.close();
    process.exit(exitCode.commitFailed);
  });
}

try {
  const { file, port, host, exitWithStdin } = readArguments();
  const server = await startMongoServer({ file, port, host });
  stopOnSignals(server, exitWithStdin);
  process.stdout.write(`${JSON.stringify({ ready: true, port: server.port })}\n`);
  log(`serving ${file} on ${host}:${server.port}`);
} catch (error) {
  fail(error);
}
