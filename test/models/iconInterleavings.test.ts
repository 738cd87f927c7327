import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BatchEvent } from '../../src/domain/icons/events.ts';
import {
  cancelBatch,
  failBatch,
  finishBatch,
  markSettled,
  retryFailed,
} from '../../src/models/iconBatches.ts';
import { countCalls, endCall } from '../../src/models/iconCalls.ts';
import { prepareIcons } from '../../src/models/iconDocuments.ts';
import { readEvents } from '../../src/models/iconEvents.ts';
import { calls } from '../../src/models/iconGenerationDocuments.ts';
import { releaseGeneration } from '../../src/models/iconGenerations.ts';
import {
  beginCall,
  beginDelivery,
  claimNextImage,
  concludeImage,
  findBatchImages,
  putOff,
} from '../../src/models/iconImages.ts';
import { readStats } from '../../src/models/iconStats.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import {
  allEvents,
  at,
  batchNow,
  claimed,
  createdBatch,
  expectBudget,
  expectConsistent,
  FAILURE,
  newRound,
  success,
} from './iconFixtures.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('iconinterleavings');
  await prepareIcons(system.connection);
});
afterAll(() => system.remove());

const IMAGES = 6;
const BUDGET = { month: '2026-11', limit: 1_000 };

const OF_IMAGE = ['succeed', 'deliver', 'fail', 'end', 'run', 'put-off'] as const;

type Step =
  | { readonly kind: (typeof OF_IMAGE)[number]; readonly image: number }
  | { readonly kind: 'next' | 'finish' | 'retry' | 'cancel' | 'time-out' };

const ofImage = fc.record({
  kind: fc.constantFrom(...OF_IMAGE),
  image: fc.integer({ min: 0, max: IMAGES - 1 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: ofImage },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'next' }) },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'finish' }) },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'retry' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'cancel' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'time-out' }) },
);
/** Processes that work on the same batch at the same time, each one step after the other. */
const lanes = fc.array(fc.array(step, { minLength: 1, maxLength: 14 }), { minLength: 2, maxLength: 5 });

/** What the steps were answered, over all lanes. */
interface Tally {
  succeeded: number;
  failed: number;
  retries: number;
  told: number;
  begun: number;
  /** The places of images that were, or may have been, charged. */
  readonly charged: Set<number>;
}

async function take(one: Step, batchId: string, tally: Tally): Promise<void> {
  const { connection } = system;
  if ('image' in one) return takeOnImage(one, batchId, tally);
  if (one.kind === 'next') await claimNextImage(connection, batchId);
  if (one.kind === 'cancel') await cancelBatch(connection, batchId);
  if (one.kind === 'finish') await finish(batchId, tally);
  if (one.kind === 'retry') {
    const retry = await retryFailed(connection, batchId, await newRound(connection, 2), BUDGET);
    if (retry.kind === 'retried') tally.retries += 1;
  }
  if (one.kind === 'time-out') await failBatch(connection, batchId, 'No progress');
}

async function takeOnImage(
  { kind, image: place }: { readonly kind: Step['kind']; readonly image: number },
  batchId: string,
  tally: Tally,
): Promise<void> {
  const { connection } = system;
  const image = at(await findBatchImages(connection, batchId), place);
  if (kind === 'put-off') return putOff(connection, image);
  if (kind === 'succeed') {
    if (await concludeImage(connection, image, success())) tally.succeeded += 1;
  } else if (kind === 'deliver') {
    if (await beginDelivery(connection, image, success())) tally.charged.add(place);
  } else if (kind === 'fail') {
    if (await concludeImage(connection, image, FAILURE)) tally.failed += 1;
  } else if (kind === 'end') {
    await concludeImage(connection, image, { status: 'cancelled', error: 'Cancelled' });
  } else if ((await claimed(connection, image)).kind === 'leader') {
    const call_id = randomUUID();
    const begun = await beginCall(connection, image, { call_id, model: 'm' });
    if (begun === 'begun') {
      tally.begun += 1;
      await endCall(connection, call_id, 'refused');
    }
    await releaseGeneration(connection, image.content_key, image.image_id);
  }
}

async function finish(batchId: string, tally: Tally): Promise<void> {
  const { connection } = system;
  const { round } = await batchNow(connection, batchId);
  const end = await finishBatch(connection, batchId, round);
  if (end.kind !== 'finished') return;
  tally.told += end.event_ids.length;
  await markSettled(connection, batchId, round);
}

/** Follows the batch while it changes, as watchers do. @returns the numbers that it saw, in the order in which it saw them */
async function watch(batchId: string, over: AbortSignal): Promise<number[]> {
  const seen: number[] = [];
  for (let last = 0, rounds = 0; !over.aborted || rounds === 0; rounds++) {
    const page = await readEvents(system.connection, batchId, last, 3);
    seen.push(...page.map((event) => event.seq));
    last = seen.at(-1) ?? 0;
  }
  return seen;
}

/** Within a round the images that are told of only become more. */
function expectSensible(told: readonly BatchEvent[]): void {
  let completed = 0;
  for (const event of told) {
    if (event.type === 'batch_progress') {
      expect(event.data.completed).toBe(event.data.successful + event.data.failed);
      expect(event.data.completed).toBeGreaterThanOrEqual(completed);
      completed = event.data.completed;
    }
    if (event.type === 'job_completed' || event.type === 'job_failed') completed = 0;
  }
}

test('whatever happens at once, counters are what the images say, and nothing is told twice', async () => {
  const { connection } = system;
  await fc.assert(
    fc.asyncProperty(lanes, fc.integer({ min: 1, max: 4 }), async (steps, concurrency) => {
      const { batch_id, owner } = await createdBatch(connection, { concurrency }, BUDGET);
      const before = await readStats(connection);
      const callsBefore = await countCalls(connection);
      const tally: Tally = { succeeded: 0, failed: 0, retries: 0, told: 0, begun: 0, charged: new Set() };
      const over = new AbortController();
      const watching = watch(batch_id, over.signal);
      await Promise.all(
        steps.map(async (lane) => {
          for (const one of lane) await take(one, batch_id, tally);
        }),
      );
      over.abort();
      const seen = await watching;
      expect(seen).toEqual(seen.map((_, place) => place + 1));
      await expectConsistent(connection, batch_id);
      await expectBudget(connection, owner, BUDGET.month);

      for (const image of await findBatchImages(connection, batch_id)) {
        if (await concludeImage(connection, image, success())) tally.succeeded += 1;
      }
      const ended = await findBatchImages(connection, batch_id);
      for (const place of tally.charged) expect(at(ended, place)).toMatchObject({ status: 'succeeded' });
      await finish(batch_id, tally);
      await expectConsistent(connection, batch_id);
      await expectBudget(connection, owner, BUDGET.month);

      const batch = await batchNow(connection, batch_id);
      expect(batch).toMatchObject({ settled: true, round: tally.retries + 1 });
      expect(['completed', 'failed', 'cancelled']).toContain(batch.status);
      // Every round ends once, for receivers and for watchers; one that was cancelled is not retried.
      expect(tally.told).toBe(batch.round);
      const told = await allEvents(connection, batch_id);
      const count = (type: BatchEvent['type']) => told.filter((event) => event.type === type).length;
      expect(count('job_completed') + count('job_failed')).toBe(
        batch.status === 'cancelled' ? batch.round - 1 : batch.round,
      );
      expect(count('job_output')).toBe(tally.succeeded + tally.failed);
      expectSensible(told);

      const after = await readStats(connection);
      expect(after.total_generated - before.total_generated).toBe(tally.succeeded);
      expect(await calls(connection).countDocuments({ batch_id })).toBe(tally.begun);
      expect((await countCalls(connection)).pending).toBe(callsBefore.pending);
    }),
    { numRuns: 40 },
  );
});
