import { afterAll, beforeAll, expect, test } from 'vitest';
import { setBatch } from '../models/iconFixtures.ts';
import { waitFor } from '../support/waitFor.ts';
import { type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

const OTHER = { OPENAI_MODEL: 'gpt-image-2' };

let icons: IconsUnderTest;
let stopOther: () => Promise<void>;

beforeAll(async () => {
  icons = await openIcons();
  stopOther = icons.start(OTHER);
});
afterAll(() => icons?.remove());

interface Line {
  readonly msg: string;
  readonly image_id?: string;
  readonly job?: string;
  readonly outcome?: string;
}

function linesOf(imageId: string): Line[] {
  return icons.lines
    .map((line): Line => JSON.parse(line))
    .filter((line) => line.image_id === imageId || line.job?.startsWith(imageId));
}

/** Each has been looked at, and left to others, more than once. */
async function leftTwice(imageIds: readonly string[]): Promise<void> {
  for (const imageId of imageIds) {
    const looks = () => linesOf(imageId).filter(({ outcome }) => outcome === 'postponed').length;
    await waitFor('two looks', async () => looks() >= 2 || undefined);
  }
}

test('what no running worker has the model for fails when its batch times out, and is told once', async () => {
  const batchId = await icons.askBatch(['no model one', 'no model two']);
  const imageIds = (await icons.images(batchId)).map(({ image_id }) => image_id);
  await leftTwice(imageIds);
  for (const imageId of imageIds) {
    expect(linesOf(imageId).filter(({ msg }) => msg.startsWith('An icon is wanted of a model'))).toHaveLength(
      1,
    );
  }
  expect(await icons.batch(batchId)).toMatchObject({ status: 'running' });

  const age = () => setBatch(icons.system.connection, batchId, { progressed_at: new Date(0) });
  await age();
  await icons.sweep();
  expect(await icons.batch(batchId)).toMatchObject({ status: 'failed', failed: 2 });
  await age();
  await icons.sweep();
  expect(await icons.batch(batchId)).toMatchObject({ settled: true });
  expect(icons.openai.paid).toEqual([]);
});

test('a worker that has the model makes what others have left to it', async () => {
  const batchId = await icons.askBatch(['right model']);
  const single = await icons.ask('single right model');
  await leftTwice([...(await icons.images(batchId)).map(({ image_id }) => image_id), single]);
  icons.start();
  await stopOther();
  expect(await icons.settled(batchId)).toMatchObject({ status: 'completed', successful: 1 });
  expect(await icons.ended(single)).toMatchObject({ status: 'succeeded', attempts: 1 });
});
