import type { IconImage } from '../../domain/icons/icon.ts';
import { endCall } from '../../models/iconCalls.ts';
import { postponeGeneration, recordFile } from '../../models/iconGenerations.ts';
import { putOff } from '../../models/iconImages.ts';
import type { ImageOutcome } from '../../platforms/images/imageProvider.ts';
import { LONGEST_WAIT_MILLISECONDS } from '../../platforms/images/rateLane.ts';
import { ICON_LIMITS, verifyImage } from '../../platforms/images/verifyImage.ts';
import type { Run } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import { bookUsage } from './bookUsage.ts';
import { again, conclude, failedAfter, giveUp, type IconWork } from './iconWork.ts';
import { survivingLostLock } from './liveCall.ts';
import { pauseIcons } from './pauseIcons.ts';
import { storeIcon } from './storeIcon.ts';
import { writeDown } from './writeDown.ts';

/** Calls for one icon that may be paid: a third one is never made. */
export const MOST_PAID = 2;

/** A call that was made. */
export interface EndedCall {
  /** Of the intent that was written down; a free provider has none. */
  readonly call_id: string | undefined;
  readonly reservation: string | undefined;
  /** Calls for this icon, this one included, whichever image they were made for. */
  readonly attempts: number;
  /** Earlier calls for the same icon that may have been paid for nothing. */
  readonly unknown_before: number;
  /** Of `performance.now()`. */
  readonly begun_at: number;
  readonly milliseconds: number;
}

/** Writes down how a call ended, and says what becomes of the image. */
export async function callEnded(
  work: IconWork,
  image: IconImage,
  call: EndedCall,
  outcome: ImageOutcome,
  run: Run,
): Promise<Outcome> {
  const { times, throttlePauses } = work;
  switch (outcome.kind) {
    case 'image': {
      throttlePauses.succeeded();
      // Side by side: what was paid does not wait for Redis.
      const [end] = await Promise.all([
        received(work, image, call, outcome, run),
        bookUsage(work, call, { tokens: outcome.tokens, limits: outcome.limits }, run),
      ]);
      return end;
    }
    case 'rate-limited': {
      const pause = outcome.retryAfterMilliseconds ?? throttlePauses.refused(call.begun_at);
      await refused(work, call, outcome.message, run);
      await bookUsage(work, call, { tokens: 0, limits: outcome.limits, pause }, run);
      // It is the lane that holds it back for the rest of the time, which an operator may cut short.
      return later(
        work,
        image,
        { attempt: 'given-back', milliseconds: Math.min(pause, LONGEST_WAIT_MILLISECONDS) },
        'the provider asks for less',
        run,
      );
    }
    case 'quota-exhausted':
      await refused(work, call, outcome.message, run);
      await bookUsage(work, call, { tokens: 0 }, run);
      await pauseIcons(work, { reason: outcome.message, begun_at: call.begun_at }, run);
      return later(
        work,
        image,
        { attempt: 'given-back', milliseconds: times.noQuota },
        'the provider takes no more calls',
        run,
      );
    case 'refused':
      await refused(work, call, outcome.message, run);
      await bookUsage(work, call, { tokens: 0 }, run);
      return giveUp(
        work,
        image,
        { error: `${outcome.code}: ${outcome.message}`, attempts: call.attempts },
        run,
      );
    case 'failed':
      await refused(work, call, outcome.message, run);
      await bookUsage(work, call, { tokens: 0 }, run);
      return attemptFailed(work, image, call, outcome.message, run);
    case 'unknown': {
      // Where no answer tells its tokens their bound stays booked.
      const [end] = await Promise.all([
        paidForNothing(work, image, call, outcome, run),
        bookUsage(work, call, { tokens: outcome.tokens }, run),
      ]);
      return end;
    }
  }
}

async function received(
  work: IconWork,
  image: IconImage,
  call: EndedCall,
  { bytes, tokens }: Extract<ImageOutcome, { kind: 'image' }>,
  run: Run,
): Promise<Outcome> {
  const verified = await verifyImage(bytes, ICON_LIMITS);
  if (verified.kind === 'invalid') {
    return paidForNothing(work, image, call, { message: verified.message, tokens }, run);
  }
  const file = await storeIcon(work, image, verified.png, survivingLostLock(run));
  const { category, style, color_scheme } = image;
  const recorded = {
    key: image.content_key,
    image_id: image.image_id,
    call_id: call.call_id,
    tokens,
    file,
    metadata: { category, style, color_scheme, model: image.model },
    generation_milliseconds: call.milliseconds,
  };
  await writeDown(() => recordFile(work.connection, recorded), endOfLease(work, call), run);
  await conclude(
    work,
    image,
    { status: 'succeeded', file, cached: false, generation_milliseconds: call.milliseconds },
    run,
  );
  return done;
}

/**
 * The call was paid, perhaps or certainly, and there is no icon: it is listed as one of unknown outcome, and made once more at
 * most.
 */
async function paidForNothing(
  work: IconWork,
  image: IconImage,
  call: EndedCall,
  { message, tokens }: Pick<Extract<ImageOutcome, { kind: 'unknown' }>, 'message' | 'tokens'>,
  run: Run,
): Promise<Outcome> {
  if (call.call_id === undefined) return attemptFailed(work, image, call, message, run);
  const { call_id } = call;
  await writeDown(
    () => endCall(work.connection, call_id, 'unknown', message, tokens),
    endOfLease(work, call),
    run,
  );
  run.logger.warn(
    { image_id: image.image_id, call_id: call.call_id, message },
    'a call was paid for nothing',
  );
  if (call.unknown_before + 1 >= MOST_PAID) {
    const reason = `${message}. It was the second call for this icon that may have been paid; there is no third one`;
    return giveUp(work, image, failedAfter(call.attempts, reason), run);
  }
  return attemptFailed(work, image, call, message, run);
}

async function attemptFailed(
  work: IconWork,
  image: IconImage,
  { attempts }: EndedCall,
  message: string,
  run: Run,
): Promise<Outcome> {
  if (attempts >= work.maxAttempts) return giveUp(work, image, failedAfter(attempts, message), run);
  const milliseconds = work.times.retry * 2 ** (attempts - 1);
  return later(work, image, { attempt: 'counted', milliseconds }, 'the call failed', run);
}

/** Puts the run off. Meanwhile another image may make the same icon. */
async function later(
  work: IconWork,
  image: IconImage,
  pause: { readonly attempt: 'counted' | 'given-back'; readonly milliseconds: number },
  reason: string,
  run: Run,
): Promise<Outcome> {
  // Another run of the image may have begun, and the lease would be its own.
  run.signal.throwIfAborted();
  await putOff(work.connection, image, pause.attempt);
  await postponeGeneration(work.connection, image.content_key, image.image_id, pause);
  return again(pause.milliseconds, reason);
}

/** Nothing was made and nothing charged. */
async function refused(work: IconWork, call: EndedCall, message: string, run: Run): Promise<void> {
  const { call_id } = call;
  if (call_id === undefined) return;
  await writeDown(() => endCall(work.connection, call_id, 'refused', message), endOfLease(work, call), run);
}

/** Until then nobody else takes the call for lost. Of `performance.now()`. */
function endOfLease({ times }: IconWork, call: EndedCall): number {
  return call.begun_at + times.lease;
}
