import type { ColorScheme } from './colorSchemes.ts';
import type { IconStyle } from './styles.ts';

export const BATCH_STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** The only ways from one status to another. What is `completed` or `failed` becomes `running` again when its failed images are retried. */
export const BATCH_TRANSITIONS: Readonly<Record<BatchStatus, readonly BatchStatus[]>> = {
  pending: ['running', 'completed', 'failed', 'cancelled'],
  running: ['completed', 'failed', 'cancelled'],
  completed: ['running'],
  failed: ['running'],
  cancelled: [],
};

/** Many icons asked for at once. Times are milliseconds since 1970 UTC. */
export interface IconBatch {
  readonly batch_id: string;
  readonly owner: string;
  readonly status: BatchStatus;
  readonly categories: readonly string[];
  readonly variations: number;
  readonly style: IconStyle;
  readonly color_scheme: ColorScheme;
  readonly total: number;
  readonly successful: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Images that run at a time; so many finished ones make a slice, after which progress is told. */
  readonly concurrency: number;
  /** First category of the running slice, kept afterwards; nothing before the first image. */
  readonly current_category: string | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly completed_at: number | null;
  /** When something last became of one of its images. */
  readonly progressed_at: number;
  /** 1, and one more for each retry of its failed images. */
  readonly round: number;
  /** When the round began to make progress. */
  readonly round_started_at: number | null;
  /** Images whose end an earlier round has brought, and which are not made again. */
  readonly done_before_round: number;
  /** Number of its last event; they are numbered from 1 without gaps. */
  readonly event_seq: number;
  /** Why the whole batch failed. */
  readonly error: string | null;
  readonly credits_user_id: string | null;
  /** Where the credits of this round are set aside. */
  readonly reservation_id: string | null;
  /** Whether the round is closed: nothing runs any more and unused credits were given back. */
  readonly settled: boolean;
}

/** Statuses of batches that are not over. */
export const ACTIVE_STATUSES = ['pending', 'running'] as const satisfies readonly BatchStatus[];

export function isActive({ status }: Pick<IconBatch, 'status'>): boolean {
  return ACTIVE_STATUSES.some((active) => active === status);
}

/** Whether its failed images may be made again. */
export function canRetry({ status, failed }: IconBatch): boolean {
  return (status === 'completed' || status === 'failed') && failed > 0;
}

/** Images of which it is known what became of them. */
export function imagesDone(batch: IconBatch): number {
  return batch.successful + batch.failed + batch.cancelled;
}

/** `floor(done / wanted * 100)`; 100 once completed. */
export function progressOf(batch: IconBatch): number {
  if (batch.status === 'completed') return 100;
  return Math.floor(((batch.successful + batch.failed) / batch.total) * 100);
}

export function completedCategories(batch: IconBatch): number {
  return Math.floor((batch.successful + batch.failed) / batch.variations);
}
