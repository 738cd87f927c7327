import { afterEach, beforeEach, expect, test } from 'vitest';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import { UsagePending } from '../../src/models/usagePending.ts';
import { type OpenQueues, openQueues, queuePrefix } from '../../src/producers/queues.ts';
import {
  type RecordingRequest,
  type Submission,
  UsageRecorder,
} from '../../src/producers/usage/recordUsage.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';

const LONG_ENOUGH_MILLISECONDS = 60_000;

let system: TestSystem;
let queues: OpenQueues;
let pending: UsagePending;
let recorder: UsageRecorder;

beforeEach(async () => {
  system = await createTestSystem('record-usage');
  queues = openQueues(system.redis, system.prefix);
  pending = new UsagePending(
    system.redis,
    queuePrefix(system.prefix, usageQueue.name),
    new BusinessCalendar('Asia/Ho_Chi_Minh'),
  );
  const queue = queues.of(usageQueue);
  recorder = new UsageRecorder({ queue, pending, connection: system.connection, backlogLimit: 1_000 });
});

afterEach(async () => {
  await queues.close();
  await system.remove();
});

test('a report whose time is over is refused and not queued, its neighbours in the same write are', async () => {
  const [before, late, after] = await Promise.allSettled([
    recorder.record(report(1), inTime('before')),
    recorder.record(report(2), tooLate('late')),
    recorder.record(report(3), inTime('after')),
  ]);
  expect(late).toMatchObject({ status: 'rejected', reason: expect.any(ServiceUnavailableError) });
  expect([before, after]).toMatchObject([
    { value: { kind: 'accepted', event: { user_id: 1 } } },
    { value: { kind: 'accepted', event: { user_id: 3 } } },
  ]);
  // One job: they did share a write.
  expect(await queued()).toEqual([{ users: [1, 3], requestIds: ['before', 'after'] }]);
  expect(await usersThatWait()).toEqual([1, 3]);
});

test('a report with an id of its own that came too late is queued when it is sent again, once', async () => {
  const keyed = { ...report(1), event_id: 'event-1' };
  await expect(recorder.record(keyed, tooLate('first'))).rejects.toThrow(ServiceUnavailableError);
  expect(await queued()).toEqual([]);
  const again = await recorder.record(keyed, inTime('again'));
  const [claimed] = await pending.holdersOf(['1:event:event-1']);
  expect(again.event.record_id).toBe(claimed?.record_id);
  expect(await queued()).toEqual([{ users: [1], requestIds: ['again'] }]);
});

test('a batch whose time is over is refused and nothing of it queued, another one is', async () => {
  const [late, good] = await Promise.allSettled([
    recorder.recordAll([report(1), { ...report(2), event_id: 'event-1' }], tooLate('late')),
    recorder.recordAll([report(3), report(4)], inTime('good')),
  ]);
  expect(late).toMatchObject({ status: 'rejected', reason: expect.any(ServiceUnavailableError) });
  expect(good).toMatchObject({ value: [{ kind: 'accepted' }, { kind: 'accepted' }] });
  expect(await queued()).toEqual([{ users: [3, 4], requestIds: ['good'] }]);
  expect(await usersThatWait()).toEqual([3, 4]);
});

function inTime(requestId: string): RecordingRequest {
  return { requestId, queueBefore: performance.now() + LONG_ENOUGH_MILLISECONDS };
}

function tooLate(requestId: string): RecordingRequest {
  return { requestId, queueBefore: performance.now() - 1 };
}

/** The jobs as they stand in Redis. */
async function queued(): Promise<{ users: number[]; requestIds: string[] }[]> {
  const jobs = await queues.of(usageQueue).getWaiting();
  return jobs.map(({ data }) => ({
    users: data.payload.events.map((event: { user_id: number }) => event.user_id),
    requestIds: data.request_ids,
  }));
}

async function usersThatWait(): Promise<number[]> {
  return (await pending.ofEverybody()).map((group) => group.user_id);
}

function report(userId: number): Submission {
  return {
    user_id: userId,
    received_at: Date.UTC(2026, 0, 5),
    at: Date.UTC(2026, 0, 5),
    timestamp_sent: false,
    image_count: 1,
    image_cost: 20_300,
    video_count: 0,
    video_cost: 0,
    total_cost: 20_300,
  };
}
