/** What the main thread asks of the storage thread; each request has one reply, in order. */
export type StorageRequest =
  | { type: 'open'; file: string }
  | { type: 'nextRows' }
  | { type: 'commit'; batch: ArrayBuffer; length: number }
  | { type: 'close' };

export type StorageReply =
  | { type: 'done' }
  /** Rows as a packed batch; `done` once all were sent. */
  | { type: 'rows'; batch: ArrayBuffer; length: number }
  | { type: 'failed'; reason: 'inUse' | 'damaged' | 'other'; message: string };
