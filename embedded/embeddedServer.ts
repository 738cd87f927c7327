import type { ProcessEnd } from './serverProcess.ts';

/** A running embedded database. */
export interface EmbeddedServer {
  url: string;
  port: number;
  pid: number;
  /** Resolves when the process is gone, however it ended. */
  exited: Promise<ProcessEnd>;
  /** Ends it in order, its data safe on disk; returns when it is gone. Safe to call twice. */
  stop(): Promise<void>;
}

/** An embedded server could not be started, or not on the data it was given. The message says why and what to do. */
export class EmbeddedServerError extends Error {
  override name = 'EmbeddedServerError';
}
