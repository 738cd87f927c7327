import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BusinessCalendar } from '../../../src/domain/time/businessCalendar.ts';
import { eventKey } from '../../../src/domain/usage/eventKey.ts';
import {
  isEventId,
  isRefused,
  readReport,
  readUserName,
  type SentFields,
  saysTheSame,
  type UsageReport,
} from '../../../src/domain/usage/report.ts';

const calendar = new BusinessCalendar('Asia/Ho_Chi_Minh');
const RECEIVED_AT = Date.parse('2026-01-05T03:13:00.789Z');
const NOTHING = {
  image_count: 0,
  image_cost: 0,
  video_count: 0,
  video_cost: 0,
  total_cost: 0,
  at: Date.parse('2026-01-05T03:13:00Z'),
  timestamp_sent: false,
  event_id: undefined,
};
const COUNTS = ['image_count', 'video_count'] as const;
const COSTS = ['image_cost', 'video_cost', 'total_cost'] as const;
const VALUES_WITHOUT_TEXT = [[], ['3'], [3], {}, { $ne: '' }, { $gt: 0 }, true, false];

describe('the user name', () => {
  test.each([
    ['demo.seller', 'demo.seller'],
    ['  Demo.Seller@Example.test \t', 'Demo.Seller@Example.test'],
    ['Nguyễn Văn A', 'Nguyễn Văn A'],
    [12, '12'],
  ])('%j is %j', (sent, name) => {
    expect(readUserName({ userName: sent })).toBe(name);
  });

  test.each([undefined, null, '', ' ', '\t\r\n', '\u00a0\u3000'])('%j is missing', (sent) => {
    expect(readUserName({ userName: sent })).toEqual({ refused: 'userName is required' });
  });

  test('the name of the field is exact', () => {
    expect(readUserName({ username: 'a', UserName: 'a', user_name: 'a' })).toEqual({
      refused: 'userName is required',
    });
  });

  test.each(VALUES_WITHOUT_TEXT)('%j is no name', (sent) => {
    expect(readUserName({ userName: sent })).toEqual({ refused: 'Invalid value for userName' });
  });
});

describe('the report', () => {
  test('what the first client sends at a use', () => {
    expect(
      read({
        userName: 'demo.seller',
        image_count: '3',
        image_cost: '0.0609',
        video_count: '1',
        video_cost: '6.40',
        total_cost: '6.4609',
        timestamp: '2026-01-05 09:30:00',
      }),
    ).toEqual({
      image_count: 3,
      image_cost: 60_900,
      video_count: 1,
      video_cost: 6_400_000,
      total_cost: 6_460_900,
      at: Date.parse('2026-01-05T02:30:00Z'),
      timestamp_sent: true,
      event_id: undefined,
    });
  });

  test('JSON numbers mean their shortest decimal text', () => {
    expect(
      read({ image_count: 3, image_cost: 0.0609, video_count: 1, video_cost: 6.4, total_cost: 6.4609 }),
    ).toMatchObject({
      image_count: 3,
      image_cost: 60_900,
      video_count: 1,
      video_cost: 6_400_000,
      total_cost: 6_460_900,
    });
    expect(read({ image_cost: 1e-6, video_cost: 1e2, image_count: 1e3 })).toMatchObject({
      image_cost: 1,
      video_cost: 100_000_000,
      image_count: 1_000,
    });
  });

  test.each([undefined, null, '', '   '])(
    '%j is an absent field, and an absent field is nothing',
    (absent) => {
      const fields = Object.fromEntries(
        [...COUNTS, ...COSTS, 'timestamp', 'event_id'].map((field) => [field, absent]),
      );
      expect(read(fields)).toEqual(NOTHING);
      expect(read({})).toEqual(NOTHING);
    },
  );

  test('values are trimmed', () => {
    expect(
      read({ image_count: ' 3 ', image_cost: '\t0.1', timestamp: ' 2026-01-05 09:30:00 ', event_id: ' e1 ' }),
    ).toMatchObject({
      image_count: 3,
      image_cost: 100_000,
      at: Date.parse('2026-01-05T02:30:00Z'),
      event_id: 'e1',
    });
  });

  test('the total is the sum of the costs only when it is not sent', () => {
    expect(read({ image_cost: '0.1', video_cost: '0.2' }).total_cost).toBe(300_000);
    expect(read({ image_cost: '0.1', video_cost: '0.2', total_cost: '' }).total_cost).toBe(300_000);
    expect(read({ image_cost: '0.1', video_cost: '0.2', total_cost: '0' }).total_cost).toBe(0);
    expect(read({ image_cost: '0.1', video_cost: '0.2', total_cost: '99.5' }).total_cost).toBe(99_500_000);
    expect(read({ image_count: '10', total_cost: '0.0001' })).toMatchObject({
      image_cost: 0,
      total_cost: 100,
    });
  });

  test('the total of two costs that are each in bounds may be out of them', () => {
    expect(refusal({ image_cost: '9007199254', video_cost: '9007199254' })).toBe(
      'Invalid value for total_cost',
    );
  });

  describe.each(COUNTS)('%s', (field) => {
    test.each(['0', '7', '007', '+7', '2147483647', 7, 0, 2_147_483_647])('%j is taken', (value) => {
      expect(read({ [field]: value })[field]).toBe(Number(value));
    });

    test.each([
      '-1',
      '-0',
      '1.5',
      '3.0',
      '1e3',
      '0x10',
      'three',
      'NaN',
      'Infinity',
      '1 000',
      '1,000',
      '2147483648',
      '99999999999',
      -1,
      1.5,
      2 ** 31,
      1e21,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      ...VALUES_WITHOUT_TEXT,
    ])('%j is refused', (value) => {
      expect(refusal({ [field]: value })).toBe(`Invalid value for ${field}`);
    });
  });

  describe.each(COSTS)('%s', (field) => {
    test.each([
      ['0.0609', 60_900],
      ['6.40', 6_400_000],
      ['0.000001', 1],
      ['0', 0],
      [0.1, 100_000],
      [-0, 0],
    ])('%j is %d millionths', (value, micros) => {
      expect(read({ [field]: value })[field]).toBe(micros);
    });

    test.each([
      '-0.01',
      '0.0000001',
      '1e2',
      '0x1',
      'free',
      'NaN',
      'Infinity',
      '1,5',
      '$1',
      '9007199255',
      -0.01,
      1e-7,
      1e21,
      Number.POSITIVE_INFINITY,
      0.1 + 0.2,
      ...VALUES_WITHOUT_TEXT,
    ])('%j is refused', (value) => {
      expect(refusal({ [field]: value })).toBe(`Invalid value for ${field}`);
    });
  });

  test.each(['yesterday', '2026-02-30 00:00:00', '1767605400', 1_767_605_400, ...VALUES_WITHOUT_TEXT])(
    'the timestamp %j is refused',
    (timestamp) => {
      expect(refusal({ timestamp })).toBe('Invalid timestamp');
    },
  );

  test('a timestamp with microseconds or an offset is the same moment in whole seconds', () => {
    const at = Date.parse('2026-01-05T02:30:00Z');
    expect(read({ timestamp: '2026-01-05T09:30:00.123456' })).toMatchObject({ at, timestamp_sent: true });
    expect(read({ timestamp: '2026-01-05T03:30:00+01:00' })).toMatchObject({ at, timestamp_sent: true });
  });

  test.each(['a', 'x'.repeat(200), 'a b', 'đ-🎬', '0'])('the event id %j is taken', (id) => {
    expect(read({ event_id: id }).event_id).toBe(id);
  });

  test.each(['x'.repeat(201), 'a\nb', 'a\u0000b', 'a\u007fb', '\ud800', 'a\udc00b', ...VALUES_WITHOUT_TEXT])(
    'the event id %j is refused',
    (id) => {
      expect(refusal({ event_id: id })).toBe('Invalid value for event_id');
    },
  );

  test.each([0, 12, -1, Number.MAX_SAFE_INTEGER])('the JSON number %j is taken as an event id', (id) => {
    expect(read({ event_id: id }).event_id).toBe(String(id));
  });

  test.each(['9007199254740993', '1234567890123456789', '1.5', '1e300'])(
    'the JSON number %s, which another id may read back as, is refused as an event id',
    (text) => {
      expect(refusal(JSON.parse(`{"event_id":${text}}`))).toBe('Invalid value for event_id');
    },
  );

  test('nothing that JSON can hold throws, and what is taken is whole and not negative', () => {
    const anyFields = fc.record(
      Object.fromEntries(
        [...COUNTS, ...COSTS, 'timestamp', 'event_id'].map((field) => [
          field,
          fc.oneof(fc.jsonValue(), fc.string(), fc.double().map(String)),
        ]),
      ),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anyFields, (fields) => {
        const report = readReport(fields, RECEIVED_AT, calendar);
        if (isRefused(report)) return;
        for (const amount of [...COUNTS, ...COSTS]) {
          expect(report[amount]).toSatisfy(Number.isSafeInteger);
          expect(report[amount]).toBeGreaterThanOrEqual(0);
        }
        expect(report.at % 1_000).toBe(0);
      }),
    );
  });
});

describe('a repeat', () => {
  const first = read({
    image_count: '3',
    image_cost: '0.10',
    timestamp: '2026-01-05 09:30:00',
    event_id: 'e',
  });

  test('says the same in another spelling', () => {
    const repeat = read({ image_count: 3, image_cost: '0.1', timestamp: '2026-01-05T09:30:00.999999' });
    expect(saysTheSame(first, repeat)).toBe(true);
  });

  test.each([
    { image_count: '4' },
    { image_cost: '0.11' },
    { video_count: '1' },
    { video_cost: '1' },
    { total_cost: '1' },
    { timestamp: '2026-01-05 09:30:01' },
    { timestamp: '' },
  ])('with %j says something else', (difference) => {
    const fields = { image_count: '3', image_cost: '0.10', timestamp: '2026-01-05 09:30:00', ...difference };
    expect(saysTheSame(first, read(fields))).toBe(false);
    expect(saysTheSame(read(fields), first)).toBe(false);
  });

  test('is not measured by the time of receipt when it names no moment', () => {
    const one = readReport({ image_count: '3' }, RECEIVED_AT, calendar);
    const later = readReport({ image_count: '3' }, RECEIVED_AT + 3_600_000, calendar);
    if (isRefused(one) || isRefused(later)) throw new Error('The report was refused');
    expect(one.at).not.toBe(later.at);
    expect(saysTheSame(one, later)).toBe(true);
  });
});

describe('the key of an event', () => {
  test('is the sender’s id within its user, or the record that is taken back', () => {
    expect(eventKey({ user_id: 12, event_id: 'e:1' })).toBe('12:event:e:1');
    expect(eventKey({ user_id: 12, voids: 4711 })).toBe('12:void:4711');
    expect(eventKey({ user_id: 12 })).toBeUndefined();
  });

  test('differs for different users and ids, whatever stands in the id', () => {
    const anyKeyed = fc.oneof(
      fc.record({
        user_id: fc.integer({ min: 1, max: 50 }),
        event_id: fc.string({ minLength: 1 }).filter(isEventId),
      }),
      fc.record({ user_id: fc.integer({ min: 1, max: 50 }), voids: fc.integer({ min: 1, max: 50 }) }),
    );
    fc.assert(
      fc.property(anyKeyed, anyKeyed, (left, right) => {
        expect(eventKey(left) === eventKey(right)).toBe(JSON.stringify(left) === JSON.stringify(right));
      }),
    );
  });
});

function read(fields: SentFields): UsageReport {
  const report = readReport(fields, RECEIVED_AT, calendar);
  if (isRefused(report)) throw new Error(report.refused);
  return report;
}

function refusal(fields: SentFields): string {
  const report = readReport(fields, RECEIVED_AT, calendar);
  if (!isRefused(report)) throw new Error(`It was taken: ${JSON.stringify(report)}`);
  return report.refused;
}
