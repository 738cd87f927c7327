import { randomUUID } from 'node:crypto';
import type { IconImage } from '../../domain/icons/icon.ts';
import { findBatch } from '../../models/iconBatches.ts';
import { claimGeneration, forgetFile, releaseGeneration } from '../../models/iconGenerations.ts';
import { beginCall, findImage } from '../../models/iconImages.ts';
import { noteWaiting } from '../../models/iconSweeps.ts';
import type { iconsQueue } from '../../queues/icons.ts';
import type { Handlers, Run } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import { callEnded, MOST_PAID } from './callEnded.ts';
import { again, conclude, giveUp, type IconWork, startNext } from './iconWork.ts';
import { requireStorage } from './storeIcon.ts';

const PAID_TWICE =
  'It is not known what became of two calls for this icon; there is no third one, because both may have been paid';

/**
 * Brings one image forward: from the cache, or by a call of the provider that nobody else makes at the same time. The state
 * is in MongoDB; whatever it has to wait for postpones the job. Running it twice, or again after a crash at any line,
 * makes no call that is not in the list of calls.
 */
export function createGenerateIcon(work: IconWork): Handlers<typeof iconsQueue>['generate-icon'] {
  return async ({ image_id, round_job, asked_at }, run) => {
    const image = await findImage(work.connection, image_id);
    if (!image || (asked_at !== undefined && asked_at !== image.asked_at)) return done;
    // Ended by a run before, or with its batch. If that run was killed before it started the next one, the round does.
    if (image.status !== 'pending' && image.status !== 'running') return done;
    const outcome = (await isCancelled(work, image))
      ? await stop(work, image, run)
      : await bringForward(work, image, run);
    if (outcome.kind === 'done') await startNext(work, image, round_job, run);
    return outcome;
  };
}

/** What a cancellation found running, and what was put off since then, makes no further call. */
async function isCancelled({ connection }: IconWork, { batch_id }: IconImage): Promise<boolean> {
  if (batch_id === null) return false;
  return (await findBatch(connection, batch_id))?.status === 'cancelled';
}

async function stop(work: IconWork, image: IconImage, run: Run): Promise<Outcome> {
  await releaseGeneration(work.connection, image.content_key, image.image_id);
  await conclude(work, image, { status: 'cancelled', error: 'Cancelled' }, run);
  return done;
}

async function bringForward(work: IconWork, image: IconImage, run: Run): Promise<Outcome> {
  const { connection, storage, times } = work;
  const claim = await claimGeneration(connection, image.content_key, image, times.lease);
  switch (claim.kind) {
    case 'ready':
      if (!(await storage.stat(claim.file.path))) {
        await forgetFile(connection, image.content_key, claim.file.path);
        return again(0, 'its file is gone');
      }
      await conclude(
        work,
        image,
        {
          status: 'succeeded',
          file: claim.file,
          cached: true,
          generation_milliseconds: claim.generation_milliseconds,
        },
        run,
      );
      return done;
    case 'busy':
      return again(times.busy, 'another image makes the same icon');
    case 'failed':
      await conclude(work, image, { status: 'failed', error: claim.reason }, run);
      return done;
    case 'leader':
      if (claim.unknown_in_a_row >= MOST_PAID) return giveUp(work, image, PAID_TWICE, run);
      if (image.attempts >= work.maxAttempts) {
        return giveUp(
          work,
          image,
          `Failed after ${image.attempts} attempts: the last one was not finished`,
          run,
        );
      }
      return make(work, image, claim.unknown_in_a_row, run);
  }
}

/** This run alone may make the icon now. */
async function make(work: IconWork, image: IconImage, unknownBefore: number, run: Run): Promise<Outcome> {
  const { connection, provider, lane } = work;
  await requireStorage(work, image);
  const reserved = provider.paid
    ? await lane.reserve({ tokens: provider.tokensAtMost(image.prompt) })
    : undefined;
  if (reserved?.kind === 'never') return giveUp(work, image, reserved.reason, run);
  if (reserved?.kind === 'wait') {
    await noteWaiting(connection, image);
    await releaseGeneration(connection, image.content_key, image.image_id);
    return again(reserved.milliseconds, 'the limits of the provider');
  }
  const reservation = reserved?.id;
  const call_id = provider.paid ? randomUUID() : undefined;
  const begun = await beginCall(
    connection,
    image,
    call_id === undefined ? undefined : { call_id, model: provider.settings.model },
  );
  if (begun !== 'begun') {
    if (reservation !== undefined) await lane.giveBack(reservation);
    if (begun === 'lost') return again(0, 'the lease has run out');
    if (begun === 'cancelled') return stop(work, image, run);
    await releaseGeneration(connection, image.content_key, image.image_id);
    return done;
  }
  const begunAt = performance.now();
  const outcome = await provider.generate({ prompt: image.prompt, subject: image }, run.signal);
  const call = {
    call_id,
    reservation,
    attempts: image.attempts + 1,
    unknown_before: unknownBefore,
    begun_at: begunAt,
    milliseconds: Math.round(performance.now() - begunAt),
  };
  return callEnded(work, image, call, outcome, run);
}
