import type { IconImage } from '../../domain/icons/icon.ts';
import { iconPath } from '../../domain/icons/iconPath.ts';
import { addToEventOutbox } from '../../models/eventOutbox.ts';
import { endCall } from '../../models/iconCalls.ts';
import { recordFile, releaseGeneration } from '../../models/iconGenerations.ts';
import { putOff } from '../../models/iconImages.ts';
import { inTransaction } from '../../models/transaction.ts';
import type { ImageOutcome } from '../../platforms/images/imageProvider.ts';
import { ICON_LIMITS, verifyImage } from '../../platforms/images/verifyImage.ts';
import { startFanOut } from '../../producers/webhooks/startFanOut.ts';
import { iconsQueue } from '../../queues/icons.ts';
import { webhooksQueue } from '../../queues/webhooks.ts';
import { withRedis } from '../../runtime/outage.ts';
import type { Run } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import { again, conclude, giveUp, type IconWork } from './iconWork.ts';

/** A call that was made. */
interface EndedCall {
  /** Of the intent that was written down; a free provider has none. */
  readonly call_id: string | undefined;
  readonly reservation: string | undefined;
  /** Calls for this image, this one included. */
  readonly attempts: number;
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
  const { lane, times } = work;
  switch (outcome.kind) {
    case 'image':
      await settle(work, call, outcome.tokens);
      if (call.call_id !== undefined) await lane.correct(outcome.limits);
      return received(work, image, call, outcome, run);
    case 'rate-limited': {
      const pause = outcome.retryAfterMilliseconds ?? times.throttled;
      await refused(work, call, outcome.message);
      await lane.correct(outcome.limits);
      await lane.pause(pause);
      return later(work, image, 'given-back', pause, 'the provider asks for less');
    }
    case 'quota-exhausted':
      await refused(work, call, outcome.message);
      await pauseQueue(work, outcome.message, run);
      return later(work, image, 'given-back', times.noQuota, 'the quota of the provider is used up');
    case 'refused':
      await refused(work, call, outcome.message);
      return giveUp(work, image, `${outcome.code}: ${outcome.message}`, run);
    case 'failed':
      await refused(work, call, outcome.message);
      return attemptFailed(work, image, call, outcome.message, run);
    case 'unknown':
      await settle(work, call, null);
      if (call.call_id !== undefined)
        await endCall(work.connection, call.call_id, 'unknown', outcome.message);
      run.logger.warn({ image_id: image.image_id, call_id: call.call_id }, 'outcome of a call unknown');
      return later(work, image, 'counted', times.retry, 'the outcome of the call is unknown');
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
    // It was paid all the same.
    if (call.call_id !== undefined)
      await endCall(work.connection, call.call_id, 'delivered', verified.message);
    return attemptFailed(work, image, call, verified.message, run);
  }
  const created_at = Date.now();
  const { folder, path } = iconPath(image.category, image.content_key, created_at);
  await work.storage.put(path, verified.png, 'image/png');
  const file = { path, folder, size: verified.png.length, created_at };
  const { category, style, color_scheme } = image;
  await recordFile(work.connection, {
    key: image.content_key,
    image_id: image.image_id,
    call_id: call.call_id,
    tokens,
    file,
    metadata: { category, style, color_scheme, model: image.model },
    generation_milliseconds: call.milliseconds,
  });
  await conclude(
    work,
    image,
    { status: 'succeeded', file, cached: false, generation_milliseconds: call.milliseconds },
    run,
  );
  return done;
}

async function attemptFailed(
  work: IconWork,
  image: IconImage,
  { attempts }: EndedCall,
  message: string,
  run: Run,
): Promise<Outcome> {
  if (attempts >= work.maxAttempts)
    return giveUp(work, image, `Failed after ${attempts} attempts: ${message}`, run);
  return later(work, image, 'counted', work.times.retry * 2 ** (attempts - 1), 'the call failed');
}

/** Puts the run off. Meanwhile another image may make the same icon. */
async function later(
  work: IconWork,
  image: IconImage,
  attempt: 'counted' | 'given-back',
  milliseconds: number,
  reason: string,
): Promise<Outcome> {
  await putOff(work.connection, image.image_id, attempt);
  await releaseGeneration(work.connection, image.content_key, image.image_id);
  return again(milliseconds, reason);
}

/** Nothing was made and nothing charged. The request itself may have counted against the limit. */
async function refused(work: IconWork, call: EndedCall, message: string): Promise<void> {
  await settle(work, call, 0);
  if (call.call_id !== undefined) await endCall(work.connection, call.call_id, 'refused', message);
}

async function settle({ lane }: IconWork, call: EndedCall, tokens: number | null): Promise<void> {
  if (call.reservation !== undefined) await lane.settle(call.reservation, tokens);
}

/** Nobody gets an icon until an operator has seen to it: `npm run icons -- resume`. */
async function pauseQueue(work: IconWork, reason: string, run: Run): Promise<void> {
  const queue = work.queues.of(iconsQueue);
  if (await withRedis(() => queue.isPaused())) return;
  await withRedis(() => queue.pause());
  run.logger.error({ reason }, 'The icons queue is paused: the provider takes no more calls');
  const events = await inTransaction(work.connection, (session) =>
    addToEventOutbox(work.connection, [{ type: 'icons.paused', at: Date.now(), data: { reason } }], session),
  );
  await startFanOut(work.queues.of(webhooksQueue), events, run.requestIds);
}
