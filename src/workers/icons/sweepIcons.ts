import { archiveFolder } from '../../domain/icons/archivePath.ts';
import { type IconBatch, imagesDone } from '../../domain/icons/batch.ts';
import type { IconImage } from '../../domain/icons/icon.ts';
import { cancelBatch, failBatch, finishBatch } from '../../models/iconBatches.ts';
import { giveUpLostCalls } from '../../models/iconCalls.ts';
import { findBatchImages } from '../../models/iconImages.ts';
import { abandonReservations } from '../../models/iconReservations.ts';
import {
  grantTime,
  noteWaiting,
  openSingleImages,
  outdatedBatches,
  readStoreClock,
  removeOld,
  stuckBatches,
  stuckSingleImages,
  unconfirmedBatches,
  unconfirmedSingleImages,
  unsettledBatches,
} from '../../models/iconSweeps.ts';
import { roundJobId } from '../../producers/icons/iconJobs.ts';
import { iconBatchesQueue, iconsQueue } from '../../queues/icons.ts';
import { existingJobs } from '../../runtime/existingJobs.ts';
import { publishIconSignal } from '../../runtime/iconFeed.ts';
import { withRedis } from '../../runtime/outage.ts';
import type { Handlers, Run } from '../handlers.ts';
import { closeRound, failDead } from './finishBatch.ts';
import { conclude, type IconWork } from './iconWork.ts';

/** What is younger is on its way, most likely; starting it a second time would be harmless. */
const GRACE_MILLISECONDS = 10_000;
/** Longer than any call takes, so that the process that began it is gone. */
const LOST_CALL_MILLISECONDS = 600_000;
/** Longer than a start takes from setting credits aside to keeping the icons, and than a transaction of MongoDB lives. */
const LOST_START_MILLISECONDS = 90_000;
const PAGE = 200;
/** Most pages of one kind in a run; the next tick goes on. */
const MOST_PAGES = 50;

/** Puts right what a crash left behind, ends what does not move, and removes what is old. */
export function createSweepIcons(work: IconWork): Handlers<typeof iconBatchesQueue>['sweep-icons'] {
  return async (_payload, run) => {
    // Of no host: one whose clock is ahead would end what moves on the others.
    const now = await readStoreClock(work.connection);
    await cancelUnconfirmed(work, now, run);
    const restarted = await restartRounds(work, now, run);
    if (await isHeldBack(work)) await grantTime(work.connection);
    const stuck = await failStuck(work, now, run);
    const single = await bringSingleImagesForward(work, now, run);
    const lost = await giveUpLostCalls(work.connection, now - LOST_CALL_MILLISECONDS, PAGE);
    const given_back = await giveBackLost(work, now, run);
    const removed = await removeInPages(work, now, run);
    return { kind: 'done', result: { stuck, restarted, single, lost, given_back, removed } };
  };
}

/** What was kept while its sender was told to come back is not made, nor charged. */
async function cancelUnconfirmed(work: IconWork, now: number, run: Run): Promise<void> {
  const before = now - GRACE_MILLISECONDS;
  for (const { batch_id } of await unconfirmedBatches(work.connection, before, PAGE)) {
    run.signal.throwIfAborted();
    const batch = await cancelBatch(work.connection, batch_id);
    if (batch) await restartRound(work, batch, run);
  }
  for (const image of await unconfirmedSingleImages(work.connection, before, PAGE)) {
    run.signal.throwIfAborted();
    await conclude(work, image, { status: 'cancelled', error: 'Its start was not confirmed' }, run);
  }
}

/** An operator's pause, a quota that is used up, or a rest that the provider asked for: none of the images can move. */
async function isHeldBack({ queues, lane }: IconWork): Promise<boolean> {
  return (await withRedis(() => queues.of(iconsQueue).isPaused())) || lane.isResting();
}

async function failStuck(work: IconWork, now: number, run: Run): Promise<number> {
  const { connection, batchTimeoutMilliseconds } = work;
  const before = now - batchTimeoutMilliseconds;
  const stuck = await stuckBatches(connection, before, PAGE);
  let failed = 0;
  for (const { batch_id, concurrency } of stuck) {
    run.signal.throwIfAborted();
    const [waiting] = await waitingImages(work, batch_id, concurrency);
    if (waiting) await noteWaiting(connection, waiting);
    const batch = await failBatch(connection, batch_id, timeoutText(batchTimeoutMilliseconds), before);
    if (batch) {
      failed += 1;
      publishIconSignal(work.redis, work.prefix, { batch_id, owner: batch.owner, seq: batch.event_seq });
    }
  }
  return failed;
}

/** Images whose turn has not come, among those that have a job. */
async function waitingImages(
  { connection, jobs }: IconWork,
  batchId: string,
  concurrency: number,
): Promise<IconImage[]> {
  const images = await findBatchImages(connection, batchId);
  // Jobs are added in the order of the images, so many at a time.
  return jobs.inLine(images.filter(({ finished_at }) => finished_at === null).slice(0, concurrency));
}

/**
 * Rounds whose job got lost, because the process was killed before it queued them or Redis lost its data, and rounds that
 * nobody closed though all their images are final.
 */
async function restartRounds(work: IconWork, now: number, run: Run): Promise<number> {
  const batches = await unsettledBatches(work.connection, now - GRACE_MILLISECONDS, PAGE);
  const queue = work.queues.of(iconBatchesQueue);
  const existing = await existingJobs(work.redis, queue, batches.map(roundJobId));
  const lost = batches.filter(
    (batch) => !existing.has(roundJobId(batch)) || imagesDone(batch) === batch.total,
  );
  for (const batch of lost) {
    run.signal.throwIfAborted();
    await restartRound(work, batch, run);
  }
  return lost.length;
}

async function restartRound(work: IconWork, batch: IconBatch, run: Run): Promise<void> {
  const end = await finishBatch(work.connection, batch.batch_id, batch.round);
  if (end.kind === 'unfinished') {
    await work.jobs.startRound(batch, await failDead(work, end.images, run), run.requestIds);
  }
  if (end.kind === 'finished') await closeRound(work, end, run);
}

async function bringSingleImagesForward(work: IconWork, now: number, run: Run): Promise<number> {
  const { connection, jobs, batchTimeoutMilliseconds } = work;
  const stuck = await stuckSingleImages(connection, now - batchTimeoutMilliseconds, PAGE);
  const inLine = new Set(await jobs.inLine(stuck));
  for (const image of stuck) {
    run.signal.throwIfAborted();
    const error = timeoutText(batchTimeoutMilliseconds);
    if (inLine.has(image)) await noteWaiting(connection, image);
    else await conclude(work, image, { status: 'failed', error }, run);
  }
  const open = await openSingleImages(connection, now - GRACE_MILLISECONDS, PAGE);
  if (open.length > 0) await jobs.start(open, run.requestIds);
  return open.length;
}

/** Credits that were set aside by a start that came to nothing, and of which nobody knew. */
async function giveBackLost(work: IconWork, now: number, run: Run): Promise<number> {
  const lost = await abandonReservations(work.connection, now - LOST_START_MILLISECONDS, PAGE);
  for (const reservationId of lost) {
    run.signal.throwIfAborted();
    await work.credits.giveUp(reservationId);
  }
  return lost.length;
}

async function removeInPages(work: IconWork, now: number, run: Run): Promise<number> {
  let removed = 0;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    run.signal.throwIfAborted();
    const before = now - work.keepMilliseconds;
    const outdated = await outdatedBatches(work.connection, before, PAGE);
    await removeArchives(work, outdated, run);
    const found = await removeOld(work.connection, before, PAGE);
    // First, so that a crash leaves none; and again for one that was stored while its batch was there still.
    await removeArchives(work, outdated, run);
    removed += found;
    if (found < PAGE) break;
  }
  return removed;
}

async function removeArchives({ storage }: IconWork, batchIds: readonly string[], run: Run): Promise<void> {
  for (const batchId of batchIds) {
    run.signal.throwIfAborted();
    await storage.removeFolder(archiveFolder(batchId));
  }
}

function timeoutText(milliseconds: number): string {
  return `No progress for ${milliseconds / 1_000} s`;
}
