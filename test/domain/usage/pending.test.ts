import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BusinessCalendar } from '../../../src/domain/time/businessCalendar.ts';
import {
  decodePendingGroup,
  encodePendingGroup,
  groupPending,
  mayBeQueuedTwice,
} from '../../../src/domain/usage/pending.ts';
import { sumIntoBuckets } from '../../../src/domain/usage/totals.ts';
import { anyUsageEvent, usageEvent } from './events.ts';

const calendar = new BusinessCalendar('Asia/Ho_Chi_Minh');

test('a group written as text reads back the same', () => {
  fc.assert(
    fc.property(fc.array(anyUsageEvent, { minLength: 1, maxLength: 40 }), (events) => {
      for (const group of groupPending(events, calendar)) {
        const text = encodePendingGroup(group);
        expect(text).not.toContain('\n');
        expect(decodePendingGroup(group.user_id, group.representative, text)).toEqual(group);
      }
    }),
  );
});

test.each([
  '',
  'null',
  '[]',
  '[1]',
  '[1,[["x"]]]',
  '[1,[[0,1,"2","3","4","5",6]]]',
  '[1,[[0,"1.5","2","3","4","5",6]]]',
])('the text %j, written by nobody, is an error', (text) => {
  expect(() => decodePendingGroup(1, 1, text)).toThrow();
});

test('the text of the last release still reads', () => {
  const text = '[1767580260250,[[1767578400000,"3","60900","1","6400000","6460900",1767580260250]]]';
  expect(decodePendingGroup(12, 4711, text)).toEqual({
    user_id: 12,
    representative: 4711,
    oldest_received_at: 1_767_580_260_250,
    hours: [
      {
        user_id: 12,
        unit: 'hour',
        start: 1_767_578_400_000,
        image_count: 3n,
        image_cost: 60_900n,
        video_count: 1n,
        video_cost: 6_400_000n,
        total_cost: 6_460_900n,
        last_received_at: 1_767_580_260_250,
      },
    ],
  });
});

test('the plain reports of one user are one group, told by its first record', () => {
  const events = [
    usageEvent({ user_id: 1, received_at: 3_000 }),
    usageEvent({ user_id: 2, received_at: 1_000 }),
    usageEvent({ user_id: 1, received_at: 2_000 }),
  ];
  expect(groupPending(events, calendar)).toMatchObject([
    {
      user_id: 1,
      representative: events[0]?.record_id,
      oldest_received_at: 2_000,
      hours: [{ image_count: 6n }],
    },
    {
      user_id: 2,
      representative: events[1]?.record_id,
      oldest_received_at: 1_000,
      hours: [{ image_count: 3n }],
    },
  ]);
});

test('a report that may be queued twice stands alone under its own record', () => {
  const plain = usageEvent();
  const own = usageEvent({ event_id: 'a' });
  const other = usageEvent({ event_id: 'b' });
  const counter = usageEvent({ voids: plain.record_id, image_count: -3 });
  const groups = groupPending([plain, own, other, counter, usageEvent()], calendar);
  expect(groups.map((group) => group.representative)).toEqual(
    [plain, own, other, counter].map((event) => event.record_id),
  );
  expect([plain, own, other, counter].map(mayBeQueuedTwice)).toEqual([false, true, true, true]);
});

test('the groups hold every event once, whatever their number', () => {
  const anyMix = fc.array(
    fc.tuple(anyUsageEvent, fc.constantFrom('plain', 'own id', 'counter')).map(([event, kind]) => ({
      ...event,
      ...(kind === 'own id' ? { event_id: `e${event.record_id}` } : {}),
      ...(kind === 'counter' ? { voids: event.record_id + 1_000_000 } : {}),
    })),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(anyMix, (events) => {
      const groups = groupPending(events, calendar);
      const totalOf = (buckets: readonly { total_cost: bigint }[]) =>
        buckets.reduce((sum, bucket) => sum + bucket.total_cost, 0n);
      expect(totalOf(groups.flatMap((group) => group.hours))).toBe(
        totalOf(sumIntoBuckets(events, 'hour', calendar)),
      );
      const representatives = groups.map((group) => group.representative);
      expect(new Set(representatives).size).toBe(representatives.length);
      for (const group of groups) {
        expect(events.find((event) => event.record_id === group.representative)?.user_id).toBe(group.user_id);
      }
    }),
  );
});

test('an event that is twice in a job, because its repeat came at the same moment, counts once', () => {
  const named = usageEvent({ event_id: 'e' });
  const counter = usageEvent({ voids: 4711, image_count: -3 });
  const once = groupPending([named, counter], calendar);
  expect(groupPending([named, counter, named, { ...counter }, { ...named }], calendar)).toEqual(once);
});
