import { expect, test } from 'vitest';
import type { IconBatch } from '../../../src/domain/icons/batch.ts';
import {
  categoryOfSlice,
  completedEvent,
  eventsOfImage,
  progressEvent,
} from '../../../src/domain/icons/batchEvents.ts';
import type { IconImage } from '../../../src/domain/icons/icon.ts';

function batchOf(changes: Partial<IconBatch>): IconBatch {
  return {
    batch_id: 'b-1',
    owner: 'o-1',
    status: 'running',
    categories: ['tools', 'books', 'toys'],
    variations: 2,
    style: 'modern',
    color_scheme: 'brand_colors',
    total: 6,
    successful: 0,
    failed: 0,
    cancelled: 0,
    concurrency: 4,
    current_category: null,
    created_at: 0,
    started_at: 0,
    completed_at: null,
    progressed_at: 0,
    round: 1,
    round_started_at: 0,
    done_before_round: 0,
    event_seq: 0,
    error: null,
    credits_user_id: null,
    reservation_id: null,
    settled: false,
    ...changes,
  };
}

function imageOf(changes: Partial<IconImage>): IconImage {
  return {
    image_id: 'b-1-0',
    batch_id: 'b-1',
    index: 0,
    owner: 'o-1',
    category: 'tools',
    style: 'modern',
    color_scheme: 'brand_colors',
    elements: [],
    variation: 2,
    total_variations: 2,
    content_key: 'k',
    prompt: 'p',
    model: 'm',
    status: 'succeeded',
    attempts: 1,
    error: null,
    file: null,
    cached: false,
    generation_milliseconds: 1_234,
    credits: 0,
    reservation_id: null,
    asked_at: 0,
    finished_at: 0,
    ...changes,
  };
}

test('the category is the first one of the slice that runs, and the last slice keeps its own', () => {
  const categories = [0, 1, 3, 4, 5, 6].map((done) => categoryOfSlice(batchOf({ successful: done })));
  expect(categories).toEqual(['tools', 'tools', 'tools', 'toys', 'toys', 'toys']);
  // A total that fills its slices has no slice behind the last one.
  expect(categoryOfSlice(batchOf({ successful: 4, failed: 2, concurrency: 3 }))).toBe('books');
});

test('progress is told at the end of a slice and of the batch, while it runs', () => {
  const told = (changes: Partial<IconBatch>) =>
    eventsOfImage(batchOf(changes), imageOf({})).map((event) => event.type);
  expect(told({ successful: 3 })).toEqual(['job_output']);
  expect(told({ successful: 3, failed: 1 })).toEqual(['job_output', 'batch_progress']);
  expect(told({ successful: 5 })).toEqual(['job_output']);
  expect(told({ successful: 6 })).toEqual(['job_output', 'batch_progress']);
  expect(told({ successful: 4, cancelled: 2, status: 'cancelled' })).toEqual(['job_output']);
});

test('lines say which image it was and what became of it', () => {
  const line = (changes: Partial<IconImage>) => {
    const [event] = eventsOfImage(batchOf({ successful: 1, failed: 1 }), imageOf(changes));
    return event?.type === 'job_output' ? event.data.line : undefined;
  };
  expect(line({})).toBe('2/6 tools (variation 2): generated in 1.2 s');
  expect(line({ cached: true })).toBe('2/6 tools (variation 2): taken from the cache');
  expect(line({ status: 'failed', error: 'no', total_variations: 1 })).toBe('2/6 tools: failed: no');
  expect(line({ status: 'cancelled', error: 'Cancelled' })).toBeUndefined();
});

test('what ended without a result is no progress', () => {
  const batch = batchOf({ successful: 2, failed: 1, cancelled: 3, status: 'cancelled' });
  expect(progressEvent(batch).data).toMatchObject({
    progress: 50,
    completed: 3,
    completed_categories: 1,
    total_categories: 3,
    status: 'cancelled',
  });
});

test('the summary counts failures only when there are any', () => {
  const summary = (changes: Partial<IconBatch>) => completedEvent(batchOf(changes)).data;
  expect(summary({ successful: 6 })).toEqual({ job_id: 'b-1', summary: '6 of 6 icons generated' });
  expect(summary({ successful: 4, failed: 2 })).toEqual({
    job_id: 'b-1',
    summary: '4 of 6 icons generated, 2 failed',
  });
});
