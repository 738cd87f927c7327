import { randomUUID } from 'node:crypto';
import { type IconImage, isOpen } from '../../domain/icons/icon.ts';
import { findBatch } from '../../models/iconBatches.ts';
import { endCall } from '../../models/iconCalls.ts';
import {
  type Claim,
  claimGeneration,
  findMadeBy,
  forgetFile,
  type MadeIcon,
  releaseGeneration,
} from '../../models/iconGenerations.ts';
import { beginCall, type Conclusion, deliveryOf, findImage } from '../../models/iconImages.ts';
import { noteWaiting } from '../../models/iconSweeps.ts';
import { leaveImage } from '../../models/iconsLeft.ts';
import { CREDITS_CAME_BACK } from '../../producers/icons/iconCredits.ts';
import { imageJobId } from '../../producers/icons/iconJobs.ts';
import type { iconsQueue } from '../../queues/icons.ts';
import type { Handlers, Run } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import { callEnded, MOST_PAID } from './callEnded.ts';
import { again, conclude, failedAfter, giveUp, type IconWork, startNext } from './iconWork.ts';
import { keepingAlive, survivingLostLock } from './liveCall.ts';

const PAID_TWICE =
  'it is not known what became of two calls for this icon; there is no third one, because both may have been paid';

/** Calls begin at most a second after the answer to a cancellation; what took longer to begin looks once more. */
const LONGEST_BEGINNING_MILLISECONDS = 500;
/** How often an image looks for a worker that has its model. */
const OTHER_MODEL_MILLISECONDS = 2_000;

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
    if (!isOpen(image)) return done;
    // Of a round before, and late: the image has another job by now.
    if (run.jobId !== imageJobId(image)) return done;
    const outcome = await goOn(work, image, run);
    if (outcome.kind === 'done') await startNext(work, image, round_job, run);
    return outcome;
  };
}

async function goOn(work: IconWork, image: IconImage, run: Run): Promise<Outcome> {
  const delivery = deliveryOf(image);
  if (delivery) {
    await conclude(work, image, delivery, run);
    return done;
  }
  const reason = await reasonToStop(work, image);
  return reason ? stop(work, image, reason, run) : bringForward(work, image, run);
}

/** Why an image that is open makes no further call. */
type StopReason = Extract<Conclusion, { readonly status: 'failed' | 'cancelled' }>;

const CANCELLED: StopReason = { status: 'cancelled', error: 'Cancelled' };

async function reasonToStop(work: IconWork, image: IconImage): Promise<StopReason | undefined> {
  if (await isCancelled(work, image)) return CANCELLED;
  return work.credits.comeBackTooSoon(image) ? { status: 'failed', error: CREDITS_CAME_BACK } : undefined;
}

/** What a cancellation found running, and what was put off since then, is to be stopped. */
async function isCancelled({ connection }: IconWork, { batch_id }: IconImage): Promise<boolean> {
  if (batch_id === null) return false;
  return (await findBatch(connection, batch_id))?.status === 'cancelled';
}

/** Makes no call. An icon that came before, by a call that had begun before there was a reason to stop, is delivered. */
async function stop(work: IconWork, image: IconImage, reason: StopReason, run: Run): Promise<Outcome> {
  const { connection } = work;
  const made = await findMadeBy(connection, image.content_key, image.image_id);
  if (made) return deliver(work, image, made, run);
  await releaseGeneration(connection, image.content_key, image.image_id);
  await conclude(work, image, reason, run);
  return done;
}

async function deliver(work: IconWork, image: IconImage, made: MadeIcon, run: Run): Promise<Outcome> {
  const { file, generation_milliseconds, made_by } = made;
  const cached = made_by !== image.image_id;
  await conclude(work, image, { status: 'succeeded', file, cached, generation_milliseconds }, run);
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
      return deliver(work, image, claim, run);
    case 'busy':
      return again(times.busy, 'another run makes the same icon');
    case 'later':
      return again(claim.milliseconds, 'a call for the same icon failed');
    case 'failed': {
      const { reason: error, attempts } = claim;
      await conclude(work, image, { status: 'failed', error, attempts }, run);
      return done;
    }
    case 'leader':
      if (claim.unknown_in_a_row >= MOST_PAID) {
        return giveUp(work, image, failedAfter(claim.attempts, PAID_TWICE), run);
      }
      if (claim.attempts >= work.maxAttempts) {
        return giveUp(work, image, failedAfter(claim.attempts, 'the last one was not finished'), run);
      }
      return make(work, image, claim, run);
  }
}

/**
 * A worker with another provider or model would draw something else under the image's name. One that has it may be running;
 * if not, the image ends with its batch's timeout.
 */
async function leaveToOthers(work: IconWork, image: IconImage, run: Run): Promise<Outcome> {
  if (await leaveImage(work.connection, image)) {
    run.logger.error(
      { image_id: image.image_id, wanted: image.model, here: work.provider.settings.model },
      'An icon is wanted of a model that this worker does not have (OPENAI_API_KEY, OPENAI_MODEL)',
    );
  }
  await releaseGeneration(work.connection, image.content_key, image.image_id);
  return again(OTHER_MODEL_MILLISECONDS, 'this worker has another model');
}

/** This run alone may make the icon now. */
async function make(work: IconWork, image: IconImage, leader: Leader, run: Run): Promise<Outcome> {
  const { connection, provider, lane } = work;
  if (image.model !== provider.settings.model) return leaveToOthers(work, image, run);
  await work.requireStorage();
  const reserved = provider.paid
    ? await lane.reserve({ tokens: provider.tokensAtMost(image.prompt) })
    : undefined;
  if (reserved?.kind === 'never') {
    return giveUp(work, image, { error: reserved.reason, attempts: leader.attempts }, run);
  }
  if (reserved?.kind === 'wait') {
    await noteWaiting(connection, image);
    await releaseGeneration(connection, image.content_key, image.image_id);
    return again(reserved.milliseconds, 'the limits of the provider');
  }
  return run.seeThrough(() => call(work, image, { ...leader, reservation: reserved?.id }, run));
}

type Leader = Extract<Claim, { readonly kind: 'leader' }>;

async function call(
  work: IconWork,
  image: IconImage,
  { unknown_in_a_row, attempts, reservation }: Leader & { readonly reservation: string | undefined },
  run: Run,
): Promise<Outcome> {
  const { connection, provider, lane } = work;
  const call_id = provider.paid ? randomUUID() : undefined;
  const askedAt = performance.now();
  const begun = await beginCall(
    connection,
    image,
    call_id === undefined ? undefined : { call_id, model: provider.settings.model },
  );
  if (begun !== 'begun') {
    if (reservation !== undefined) await lane.giveBack(reservation);
    if (begun === 'lost') return again(0, 'the lease has run out');
    if (begun === 'cancelled') return stop(work, image, CANCELLED, run);
    await releaseGeneration(connection, image.content_key, image.image_id);
    return done;
  }
  if (performance.now() - askedAt > LONGEST_BEGINNING_MILLISECONDS && (await isCancelled(work, image))) {
    if (call_id !== undefined) await endCall(connection, call_id, 'refused', 'Cancelled before the call');
    if (reservation !== undefined) await lane.giveBack(reservation);
    return stop(work, image, CANCELLED, run);
  }
  return keepingAlive(work, image, async () => {
    const begunAt = performance.now();
    const { signal } = survivingLostLock(run);
    const outcome = await provider.generate({ prompt: image.prompt, subject: image }, signal);
    const ended = {
      call_id,
      reservation,
      attempts: attempts + 1,
      unknown_before: unknown_in_a_row,
      begun_at: begunAt,
      milliseconds: Math.round(performance.now() - begunAt),
    };
    return callEnded(work, image, ended, outcome, run);
  });
}
