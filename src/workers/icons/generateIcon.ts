import { randomUUID } from 'node:crypto';
import type { IconImage } from '../../domain/icons/icon.ts';
import { claimGeneration, forgetFile, releaseGeneration } from '../../models/iconGenerations.ts';
import { beginCall, findImage } from '../../models/iconImages.ts';
import type { iconsQueue } from '../../queues/icons.ts';
import type { Handlers, Run } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import { callEnded } from './callEnded.ts';
import { again, conclude, giveUp, type IconWork, startNext } from './iconWork.ts';

/** One is tried once more, so that one icon is paid twice at most. */
const MOST_UNKNOWN = 2;
const UNKNOWN_TWICE =
  'It is not known what became of two calls for this icon; no third one is made, because both may have been paid';

/**
 * Brings one image forward: from the cache, or by a call of the provider that nobody else makes at the same time. The state
 * is in MongoDB; whatever it has to wait for postpones the job. Running it twice, or again after a crash at any line,
 * makes no call that is not in the list of calls.
 */
export function createGenerateIcon(work: IconWork): Handlers<typeof iconsQueue>['generate-icon'] {
  return async ({ image_id, round_job }, run) => {
    const image = await findImage(work.connection, image_id);
    if (!image) return done;
    // Ended by a run before, or with its batch. If that run was killed before it started the next one, the round does.
    if (image.status !== 'pending' && image.status !== 'running') return done;
    const outcome = await bringForward(work, image, run);
    if (outcome.kind === 'done') await startNext(work, image, round_job, run);
    return outcome;
  };
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
      if (claim.unknown_in_a_row >= MOST_UNKNOWN) return giveUp(work, image, UNKNOWN_TWICE, run);
      if (image.attempts >= work.maxAttempts) {
        return giveUp(
          work,
          image,
          `Failed after ${image.attempts} attempts: the last one was not finished`,
          run,
        );
      }
      return make(work, image, run);
  }
}

/** This run alone may make the icon now. */
async function make(work: IconWork, image: IconImage, run: Run): Promise<Outcome> {
  const { connection, provider, lane } = work;
  const reserved = provider.paid
    ? await lane.reserve({ tokens: provider.tokensAtMost(image.prompt) })
    : undefined;
  if (reserved?.kind === 'never') return giveUp(work, image, reserved.reason, run);
  if (reserved?.kind === 'wait') {
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
    await releaseGeneration(connection, image.content_key, image.image_id);
    if (begun === 'cancelled') await conclude(work, image, { status: 'cancelled', error: 'Cancelled' }, run);
    return done;
  }
  const startedAt = performance.now();
  const outcome = await provider.generate({ prompt: image.prompt, subject: image }, run.signal);
  const call = {
    call_id,
    reservation,
    attempts: image.attempts + 1,
    milliseconds: Math.round(performance.now() - startedAt),
  };
  return callEnded(work, image, call, outcome, run);
}
