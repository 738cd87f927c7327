import { type IconBatch, imagesDone } from '../../domain/icons/batch.ts';
import { failBatch, finishBatch } from '../../models/iconBatches.ts';
import { giveUpLostCalls } from '../../models/iconCalls.ts';
import { openSingleImages, removeOld, stuckBatches, unsettledBatches } from '../../models/iconSweeps.ts';
import { roundJobId } from '../../producers/icons/iconJobs.ts';
import { iconBatchesQueue } from '../../queues/icons.ts';
import { existingJobs } from '../../runtime/existingJobs.ts';
import { publishIconSignal } from '../../runtime/iconFeed.ts';
import type { Handlers, Run } from '../handlers.ts';
import { closeRound, failDead } from './finishBatch.ts';
import { conclude, type IconWork } from './iconWork.ts';

export interface SweepIconsDependencies extends IconWork {
  /** Without progress for that long, what is left of a batch fails. */
  readonly batchTimeoutMilliseconds: number;
  /** How long finished batches are kept. */
  readonly keepMilliseconds: number;
}

/** What is younger is on its way, most likely; starting it a second time would be harmless. */
const GRACE_MILLISECONDS = 10_000;
/** Longer than any call takes, so that the process that began it is gone. */
const LOST_CALL_MILLISECONDS = 600_000;
const PAGE = 200;
/** Most pages of one kind in a run; the next tick goes on. */
const MOST_PAGES = 50;

/** Puts right what a crash left behind, ends what does not move, and removes what is old. */
export function createSweepIcons(
  work: SweepIconsDependencies,
): Handlers<typeof iconBatchesQueue>['sweep-icons'] {
  return async (_payload, run) => {
    const stuck = await failStuck(work, run);
    const restarted = await restartRounds(work, run);
    const single = await bringSingleImagesForward(work, run);
    const lost = await giveUpLostCalls(work.connection, Date.now() - LOST_CALL_MILLISECONDS, PAGE);
    const removed = await removeInPages(work, run);
    return { kind: 'done', result: { stuck, restarted, single, lost, removed } };
  };
}

async function failStuck(work: SweepIconsDependencies, run: Run): Promise<number> {
  const { connection, batchTimeoutMilliseconds } = work;
  const before = Date.now() - batchTimeoutMilliseconds;
  const stuck = await stuckBatches(connection, before, PAGE);
  let failed = 0;
  for (const { batch_id } of stuck) {
    run.signal.throwIfAborted();
    const batch = await failBatch(connection, batch_id, timeoutText(batchTimeoutMilliseconds), before);
    if (batch) {
      failed += 1;
      publishIconSignal(work.redis, work.prefix, { batch_id, owner: batch.owner, seq: batch.event_seq });
    }
  }
  return failed;
}

/**
 * Rounds whose job got lost, because the process was killed before it queued them or Redis lost its data, and rounds that
 * nobody closed though all their images are final.
 */
async function restartRounds(work: SweepIconsDependencies, run: Run): Promise<number> {
  const batches = await unsettledBatches(work.connection, Date.now() - GRACE_MILLISECONDS, PAGE);
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

async function restartRound(work: SweepIconsDependencies, batch: IconBatch, run: Run): Promise<void> {
  const end = await finishBatch(work.connection, batch.batch_id, batch.round);
  if (end.kind === 'unfinished') {
    await work.jobs.startRound(batch, await failDead(work, end.images, run), run.requestIds);
  }
  if (end.kind === 'finished') await closeRound(work, end, run);
}

async function bringSingleImagesForward(work: SweepIconsDependencies, run: Run): Promise<number> {
  const now = Date.now();
  const open = await openSingleImages(work.connection, now - GRACE_MILLISECONDS, PAGE);
  const late = open.filter((image) => image.asked_at < now - work.batchTimeoutMilliseconds);
  for (const image of late) {
    run.signal.throwIfAborted();
    const error = timeoutText(work.batchTimeoutMilliseconds);
    await conclude(work, image, { status: 'failed', error }, run);
  }
  const waiting = open.filter((image) => !late.includes(image));
  if (waiting.length > 0) await work.jobs.start(waiting, run.requestIds);
  return open.length;
}

async function removeInPages(work: SweepIconsDependencies, run: Run): Promise<number> {
  let removed = 0;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    run.signal.throwIfAborted();
    const found = await removeOld(work.connection, Date.now() - work.keepMilliseconds, PAGE);
    removed += found;
    if (found < PAGE) break;
  }
  return removed;
}

function timeoutText(milliseconds: number): string {
  return `No progress for ${milliseconds / 1_000} s`;
}
