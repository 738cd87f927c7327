import type { IconImage } from '../../domain/icons/icon.ts';
import { type BatchEnd, finishBatch, markSettled } from '../../models/iconBatches.ts';
import { startFanOut } from '../../producers/webhooks/startFanOut.ts';
import type { iconBatchesQueue } from '../../queues/icons.ts';
import { webhooksQueue } from '../../queues/webhooks.ts';
import { publishIconSignal } from '../../runtime/iconFeed.ts';
import type { Handlers, Run } from '../handlers.ts';
import { done } from '../outcome.ts';
import { conclude, type IconWork } from './iconWork.ts';

/** While images that a crash has left behind run by themselves, the round looks for their end. */
const LOOK_AGAIN_MILLISECONDS = 2_000;
const BROKEN = 'Its job broke: an error on our side, not of the image';

export type RoundWork = Pick<IconWork, 'connection' | 'redis' | 'prefix' | 'queues' | 'credits' | 'jobs'>;

/** Closes a round of a batch: all images are final, what was not used of the credits is given back. */
export function createFinishBatch(work: RoundWork): Handlers<typeof iconBatchesQueue>['finish-batch'] {
  return async ({ batch_id, round }, run) => {
    const end = await finishBatch(work.connection, batch_id, round);
    switch (end.kind) {
      case 'settled':
        return done;
      case 'unfinished':
        await work.jobs.start(await failDead(work, end.images, run), run.requestIds);
        return {
          kind: 'postponed',
          at: Date.now() + LOOK_AGAIN_MILLISECONDS,
          reason: 'images are under way by themselves',
        };
      case 'finished':
        await closeRound(work, end, run);
        return done;
    }
  };
}

/** Nothing brings an image forward any more whose job broke for good. @returns the other ones */
export async function failDead(
  work: RoundWork,
  images: readonly IconImage[],
  run: Pick<Run, 'logger'>,
): Promise<IconImage[]> {
  const dead = new Set(await work.jobs.withDeadJob(images));
  for (const image of dead) await conclude(work, image, { status: 'failed', error: BROKEN }, run);
  return images.filter((image) => !dead.has(image));
}

/** May be repeated at any line. */
export async function closeRound(
  work: RoundWork,
  { batch, event_ids }: Extract<BatchEnd, { kind: 'finished' }>,
  run: Pick<Run, 'requestIds'>,
): Promise<void> {
  publishIconSignal(work.redis, work.prefix, {
    batch_id: batch.batch_id,
    owner: batch.owner,
    seq: batch.event_seq,
  });
  await work.credits.release(batch.reservation_id);
  await markSettled(work.connection, batch.batch_id, batch.round);
  if (event_ids.length > 0) await startFanOut(work.queues.of(webhooksQueue), event_ids, run.requestIds);
}
