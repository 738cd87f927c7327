import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  findBatch,
  finishBatch,
  listActiveBatches,
  listBatches,
  markSettled,
} from '../../src/models/iconBatches.ts';
import { readBatchMetadata } from '../../src/models/iconBatchMetadata.ts';
import { prepareIcons } from '../../src/models/iconDocuments.ts';
import { concludeImage } from '../../src/models/iconImages.ts';
import { removeOld, stuckBatches, unsettledBatches } from '../../src/models/iconSweeps.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { openMongoLink } from '../support/mongoLink.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { createdBatch, setBatch, success } from './iconFixtures.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('icon-batch-metadata');
  await prepareIcons(system.connection);
});
afterAll(() => system.remove());

const LARGE = { text: 'x'.repeat(900_000) };
const LATER = Date.now() + 3_600_000;

test('what a caller keeps with a batch is read for its result only, not for lists, sweeps and changes', async () => {
  const owner = uniqueName('owner');
  const created = [];
  for (let count = 0; count < 3; count += 1) {
    created.push(await createdBatch(system.connection, { owner, metadata: LARGE }));
  }
  const link = await openMongoLink(system.mongoUrl);
  const connection = connectMongo(link.url, 'worker', pino({ enabled: false }));
  try {
    await connection.asPromise();
    expect(await listBatches(connection, owner, 10)).toHaveLength(3);
    expect(await listActiveBatches(connection, owner)).toHaveLength(3);
    for (const { batch_id, images } of created) {
      for (const image of images.slice(1)) await concludeImage(connection, image, success());
      await findBatch(connection, batch_id);
    }
    expect(await unsettledBatches(connection, LATER, 10)).toHaveLength(3);
    expect(await stuckBatches(connection, LATER, 10)).toHaveLength(3);
    for (const { batch_id, images } of created) {
      for (const image of images.slice(0, 1)) await concludeImage(connection, image, success());
      expect(await finishBatch(connection, batch_id, 1)).toMatchObject({ kind: 'finished' });
    }
    expect(link.answered()).toBeLessThan(LARGE.text.length);
    for (const { batch_id } of created) {
      expect(await readBatchMetadata(connection, batch_id)).toEqual(LARGE);
    }
  } finally {
    await connection.close();
    await link.close();
  }
});

test('it is kept as it was sent, whatever names are in it, and goes with its batch', async () => {
  const { connection } = system;
  const metadata = { 'a.b': 1, $where: 'x', deep: { list: [1.5, null] } };
  const { batch_id, images } = await createdBatch(connection, { metadata });
  const { batch_id: without } = await createdBatch(connection);
  expect(await readBatchMetadata(connection, batch_id)).toEqual(metadata);
  expect(await readBatchMetadata(connection, without)).toBeNull();
  for (const image of images) await concludeImage(connection, image, success());
  await finishBatch(connection, batch_id, 1);
  await markSettled(connection, batch_id, 1);
  await setBatch(connection, batch_id, { completed_at: new Date(1_000) });
  expect(await removeOld(connection, 2_000, 10)).toBe(1);
  expect(await readBatchMetadata(connection, batch_id)).toBeNull();
});
