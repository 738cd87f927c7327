import { expect, test } from 'vitest';
import { pickLoopbackPort } from '../../embedded/loopbackPort.ts';
import { startMongo } from '../../embedded/mongo.ts';
import { startProcess } from '../support/processes.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { uniqueName } from '../support/testSystem.ts';

const WORKER = 'src/workers/main.ts';

function environment(mongoUrl: string) {
  return {
    REDIS_URL: String(process.env.REDIS_URL),
    MONGODB_URL: mongoUrl,
    REDIS_PREFIX: uniqueName('main'),
    LOG_LEVEL: 'info',
    DRAIN_TIMEOUT_SECONDS: '10',
  };
}

test('a name that is no queue ends the process with what there is', async () => {
  const worker = startProcess(WORKER, environment(String(process.env.MONGODB_URL)), ['usage', 'usgae']);
  expect(await worker.exited).toMatchObject({ code: 78 });
  expect(worker.lines.join('\n')).toMatch(/no queue or family named "usgae"; there are: .*usage/);
});

test('a worker waits for a MongoDB that comes later, and drains in time while it hangs', async () => {
  const port = await pickLoopbackPort();
  const worker = startProcess(WORKER, environment(`mongodb://127.0.0.1:${port}/main?replicaSet=rs0`));
  await worker.line((text) => text.includes('MongoDB is not there yet'));
  const mongo = await startMongo({ dir: await temporaryFolder(), port });
  await worker.line((text) => text.includes('The workers take jobs'));

  process.kill(mongo.pid, 'SIGSTOP');
  worker.kill('SIGTERM');
  // One that had to be stopped by its own limit would say 1.
  expect(await worker.exited).toEqual({ code: 0, signal: null });
  process.kill(mongo.pid, 'SIGCONT');
  await mongo.stop();
});

test('SIGTERM while the stores are still awaited ends the process at once', async () => {
  const port = await pickLoopbackPort();
  const worker = startProcess(WORKER, environment(`mongodb://127.0.0.1:${port}/main`));
  await worker.line((text) => text.includes('MongoDB is not there yet'));
  worker.kill('SIGTERM');
  expect(await worker.exited).toEqual({ code: 0, signal: null });
});
