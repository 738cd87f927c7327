import type { Connection } from 'mongoose';
import type { IconBatch } from '../../src/domain/icons/batch.ts';
import { findBatch } from '../../src/models/iconBatches.ts';
import { waitFor } from './waitFor.ts';

/** The batch, once its round is closed: nothing of it runs any more, and unused credits have been given back. */
export function settledBatch(
  connection: Connection,
  batchId: string,
  timeoutMilliseconds?: number,
): Promise<IconBatch> {
  return waitFor(
    'the round is closed',
    async () => {
      const batch = await findBatch(connection, batchId);
      return batch?.settled ? batch : undefined;
    },
    timeoutMilliseconds,
  );
}
