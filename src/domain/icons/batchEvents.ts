import { type IconBatch, imagesDone, progressOf } from './batch.ts';
import type { BatchEventContent } from './events.ts';
import type { IconImage } from './icon.ts';

/**
 * What watchers are told when one image of the batch has ended by itself: a line, and the progress at the end of a slice.
 *
 * @param batch - as it is with that image counted
 */
export function eventsOfImage(batch: IconBatch, image: IconImage): BatchEventContent[] {
  if (image.status === 'cancelled') return [];
  const line = { type: 'job_output', data: { job_id: batch.batch_id, line: lineOf(batch, image) } } as const;
  return batch.status === 'running' && endsSlice(batch) ? [line, progressEvent(batch)] : [line];
}

export function progressEvent(batch: IconBatch): BatchEventContent {
  const completed = batch.successful + batch.failed;
  return {
    type: 'batch_progress',
    data: {
      batch_id: batch.batch_id,
      progress: progressOf(batch),
      current_category: batch.current_category,
      completed,
      total: batch.total,
      status: batch.status,
      successful: batch.successful,
      failed: batch.failed,
      completed_categories: Math.floor(completed / batch.variations),
      total_categories: batch.categories.length,
    },
  };
}

export function completedEvent(batch: IconBatch): BatchEventContent {
  const failures = batch.failed > 0 ? `, ${batch.failed} failed` : '';
  const summary = `${batch.successful} of ${batch.total} icons generated${failures}`;
  return { type: 'job_completed', data: { job_id: batch.batch_id, summary } };
}

export function failedEvent(batch: IconBatch, error: string): BatchEventContent {
  return { type: 'job_failed', data: { job_id: batch.batch_id, error } };
}

/** First category of the slice that runs when so many images are done; the last slice's afterwards. */
export function categoryOfSlice(batch: IconBatch): string | null {
  const nextIndex = Math.min(batch.successful + batch.failed, batch.total - 1);
  const firstOfSlice = nextIndex - (nextIndex % batch.concurrency);
  return batch.categories[Math.floor(firstOfSlice / batch.variations)] ?? null;
}

function endsSlice(batch: IconBatch): boolean {
  const done = batch.successful + batch.failed;
  return done === batch.total || done % batch.concurrency === 0;
}

function lineOf(batch: IconBatch, image: IconImage): string {
  const variation = image.total_variations > 1 ? ` (variation ${image.variation})` : '';
  return `${imagesDone(batch)}/${batch.total} ${image.category}${variation}: ${resultOf(image)}`;
}

function resultOf(image: IconImage): string {
  if (image.status === 'failed') return `failed: ${image.error ?? 'for no stated reason'}`;
  if (image.cached || image.generation_milliseconds === null) return 'taken from the cache';
  return `generated in ${(image.generation_milliseconds / 1_000).toFixed(1)} s`;
}
