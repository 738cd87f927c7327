/** What watchers of a batch are told. Names and fields are the contract's (the icons contract, Socket.IO). */
export type BatchEventContent =
  | { readonly type: 'batch_progress'; readonly data: BatchProgress }
  | { readonly type: 'job_output'; readonly data: { readonly job_id: string; readonly line: string } }
  | { readonly type: 'job_completed'; readonly data: { readonly job_id: string; readonly summary: string } }
  | { readonly type: 'job_failed'; readonly data: { readonly job_id: string; readonly error: string } };

export interface BatchProgress {
  readonly batch_id: string;
  readonly progress: number;
  readonly current_category: string | null;
  /** Images. */
  readonly completed: number;
  readonly total: number;
  readonly status: string;
  readonly successful: number;
  readonly failed: number;
  readonly completed_categories: number;
  readonly total_categories: number;
}

/** One event of a batch. They are numbered without gaps, in the order in which they were committed. */
export type BatchEvent = BatchEventContent & {
  readonly batch_id: string;
  readonly seq: number;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
};
