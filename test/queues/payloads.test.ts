import { describe, expect, test } from 'vitest';
import { queueContracts } from '../../src/queues/registry.ts';
import { usageEventSchema } from '../../src/queues/usage.ts';
import { readJob } from '../../src/workers/readJob.ts';

/**
 * What releases have written into Redis, by hand and word for word. Jobs outlive the release that queued them, so every
 * line here has to be read for ever; a new shape gets a line of its own beside the old one.
 */
const WRITTEN: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  usage: {
    'store-reports': [
      '{"payload":{"events":[{"record_id":4711,"user_id":12,"received_at":1767580260250,"at":1767580200000,"timestamp_sent":true,"image_count":3,"image_cost":60900,"video_count":1,"video_cost":6400000,"total_cost":6460900}]},"request_ids":["6f1c"]}',
      '{"payload":{"events":[{"record_id":4712,"user_id":12,"received_at":1767580260250,"at":1767580260000,"timestamp_sent":false,"image_count":0,"image_cost":0,"video_count":0,"video_cost":0,"total_cost":0,"event_id":"c0ffee/1"},{"record_id":4713,"user_id":12,"received_at":1767580261000,"at":1767580200000,"timestamp_sent":true,"image_count":-3,"image_cost":-60900,"video_count":-1,"video_cost":-6400000,"total_cost":-6460900,"voids":4711}]},"request_ids":["6f1c","6f1d"]}',
    ],
  },
  'usage-relay': {
    'relay-user': [
      '{"payload":{"user_id":12},"request_ids":["6f1c"]}',
      '{"payload":{"user_id":12},"request_ids":[]}',
    ],
    'relay-refused-report': [
      '{"payload":{"record_id":4711,"refusal":"404 User not found or not a seller"},"request_ids":["6f1c"]}',
    ],
  },
  'usage-upkeep': {
    'sweep-pending': ['{"payload":{},"request_ids":[]}'],
    'wake-relay': ['{"payload":{},"request_ids":[]}'],
  },
  'credits-upkeep': {
    'settle-due': ['{"payload":{},"request_ids":["settle-due-20260105T093000Z"]}'],
  },
  webhooks: {
    'fan-out-event': [
      '{"payload":{"event_id":"evt_5f0c7a1e9b3d4c2a8f6e1d0b7c9a3e52"},"request_ids":["6f1c"]}',
      '{"payload":{"event_id":"evt_5f0c7a1e9b3d4c2a8f6e1d0b7c9a3e52"},"request_ids":[]}',
    ],
    'sweep-webhooks': ['{"payload":{},"request_ids":["sweep-webhooks-20260105T093000Z"]}'],
  },
  icons: {
    'generate-icon': [
      '{"payload":{"image_id":"0b8f6c1e-5d0a-4c55-9b3e-0c8c6a7e2f11-4","round_job":"finish-0b8f6c1e-5d0a-4c55-9b3e-0c8c6a7e2f11-1"},"request_ids":["6f1c"]}',
      '{"payload":{"image_id":"0b8f6c1e-5d0a-4c55-9b3e-0c8c6a7e2f11"},"request_ids":["6f1c"]}',
    ],
  },
  'icon-batches': {
    'finish-batch': [
      '{"payload":{"batch_id":"0b8f6c1e-5d0a-4c55-9b3e-0c8c6a7e2f11","round":1},"request_ids":["6f1c"]}',
    ],
    'sweep-icons': ['{"payload":{},"request_ids":["sweep-icons-20260105T093000Z"]}'],
  },
  'credits-remote': {
    'tidy-remote-credits': ['{"payload":{},"request_ids":["tidy-remote-credits-20260105T093000Z"]}'],
  },
  'webhook-deliveries': {
    deliver: ['{"payload":{"delivery_id":"dlv_0b9d3f7a5c1e4b2d8a6f9e0c7d5b3a14"},"request_ids":["6f1c"]}'],
  },
};

const jobs = queueContracts.flatMap((queue) =>
  Object.keys(queue.jobs).map((name) => ({ queue, name, texts: WRITTEN[queue.name]?.[name] ?? [] })),
);

describe.each(jobs)('$queue.name $name', ({ queue, name, texts }) => {
  test('has a payload on record', () => {
    expect(texts).not.toHaveLength(0);
  });

  test.each(texts)('%s is read, and nothing of it is lost', (text) => {
    const data = JSON.parse(text);
    const read = readJob(queue, { name, data });
    expect(read).toMatchObject({ payload: data.payload, requestIds: data.request_ids });
  });

  test.each([
    'null',
    '"text"',
    '[]',
    '{}',
    '{"payload":{}}',
    '{"payload":null,"request_ids":[]}',
    '{"request_ids":[]}',
  ])('%s is poison, dead at once', (text) => {
    expect(readJob(queue, { name, data: JSON.parse(text) })).toMatchObject({ kind: 'dead' });
  });
});

test('no payload on record belongs to a job that nobody knows any more', () => {
  const recorded = Object.entries(WRITTEN).flatMap(([queue, names]) =>
    Object.keys(names).map((name) => `${queue} ${name}`),
  );
  expect(recorded.toSorted()).toEqual(jobs.map(({ queue, name }) => `${queue.name} ${name}`).toSorted());
});

test('every event of a recorded job is read as it was written', () => {
  const texts = WRITTEN.usage?.['store-reports'] ?? [];
  for (const event of texts.flatMap((text) => JSON.parse(text).payload.events)) {
    expect(usageEventSchema.parse(event)).toEqual(event);
  }
});

test('a name that no contract holds is dead at once', () => {
  for (const queue of queueContracts) {
    for (const name of ['nobody-knows-me', 'toString', '__proto__', 'constructor']) {
      const data = { payload: {}, request_ids: [] };
      expect(readJob(queue, { name, data })).toMatchObject({ kind: 'dead' });
    }
  }
});
