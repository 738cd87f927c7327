import type { Connection } from 'mongoose';
import { asStarted, changeBatch, readBatch } from './iconBatchChanges.ts';
import { images } from './iconDocuments.ts';
import { type AskedImage, asAsked, OPEN_IMAGES } from './iconImages.ts';
import { inTransaction } from './transaction.ts';

/**
 * A worker can't make the image and leaves it to others. Its batch counts as begun from then on: where there are no others, it
 * makes no progress, and the sweep ends it like any that stands still.
 *
 * @returns whether it is the first time since it was asked for
 */
export async function leaveImage(connection: Connection, image: AskedImage): Promise<boolean> {
  return inTransaction(connection, async (session) => {
    const left = await images(connection).findOneAndUpdate(
      { ...asAsked(image), ...OPEN_IMAGES, left: { $ne: true } },
      { $set: { left: true } },
      { session },
    );
    if (!left) return false;
    const batch = left.batch_id === null ? undefined : await readBatch(connection, left.batch_id, session);
    if (batch?.status === 'pending')
      await changeBatch(connection, batch, asStarted(batch), () => [], session);
    return true;
  });
}
