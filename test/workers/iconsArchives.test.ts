import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { archivePath } from '../../src/domain/icons/archivePath.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';
import { openIconWork } from '../../src/workers/icons/openIconWork.ts';
import { createSweepIcons } from '../../src/workers/icons/sweepIcons.ts';
import { type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

let icons: IconsUnderTest;
beforeAll(async () => {
  icons = await openIcons();
  icons.start();
});
afterAll(() => icons?.remove());

test('an archive that is stored while its batch is being removed goes too', async () => {
  const { system, queues, storagePath } = icons;
  const batchId = await icons.askBatch(['archived']);
  await icons.settled(batchId);
  await system.connection
    .collection<{ _id: string }>('icon_batches')
    .updateOne({ _id: batchId }, { $set: { completed_at: new Date(0) } });
  const archive = archivePath(batchId, 'archive');

  /** Whoever sends the archive stores it right after the folder was removed, and sees the batch still. */
  class RacedDisk extends DiskStorage {
    override async removeFolder(folder: string): Promise<void> {
      await super.removeFolder(folder);
      const isThere = await icons.batch(batchId).catch(() => undefined);
      if (isThere) await this.put(archive, Buffer.from('archive'));
    }
  }
  const storage = new RacedDisk(storagePath);
  const logger = pino({ enabled: false });
  const stores = { redis: system.redis, connection: system.connection, queues };
  const work = { ...openIconWork(readEnvironment(system.environment), stores, logger), storage };
  const run = {
    signal: new AbortController().signal,
    logger,
    jobId: 'sweep',
    requestIds: [],
    attempt: 1,
    progress: () => Promise.resolve(),
    seeThrough: <T>(work: () => Promise<T>) => work(),
  };
  await createSweepIcons(work)({}, run);
  await expect(icons.batch(batchId)).rejects.toThrow();
  expect(await storage.stat(archive)).toBeUndefined();
});
