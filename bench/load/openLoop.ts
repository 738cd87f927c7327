import { setTimeout as wait } from 'node:timers/promises';
import { HttpConnection } from './httpConnection.ts';

export interface OpenLoop {
  /** Such as `http://127.0.0.1:3560`. */
  readonly url: string;
  /** Arrivals a second, evenly spaced, whether or not the server keeps up. */
  readonly rate: number;
  /** Before anything is measured: the first request of a connection costs the server more than the others. */
  readonly leadInSeconds: number;
  readonly seconds: number;
  /** Sent in turn. */
  readonly requests: readonly Buffer[];
  /** Requests that may be unanswered at a time; what arrives beyond it waits, and its waiting counts. */
  readonly connections: number;
}

export interface OpenLoopResult {
  /** Milliseconds from the moment a request was due to the end of its answer, ascending; without those of the lead-in. */
  readonly latencies: Float64Array;
  /** Requests in all, those of the lead-in too. */
  readonly sent: number;
  /** Of them, those answered with another status than 200. */
  readonly refused: number;
}

const TICK_MILLISECONDS = 1;
/** Answers that have not come by then after the last arrival end the run. */
const PATIENCE_MILLISECONDS = 20_000;

/**
 * Offers requests at a constant rate. A latency counts from the moment that the request was due, not from when it could be
 * sent, so that a server which stalls is charged for everybody who would have come meanwhile ("coordinated omission").
 */
export async function offer(load: OpenLoop): Promise<OpenLoopResult> {
  const leadIn = Math.round(load.rate * load.leadInSeconds);
  const total = leadIn + Math.round(load.rate * load.seconds);
  const latencies = new Float64Array(total - leadIn);
  const idle = await Promise.all(
    Array.from({ length: load.connections }, () => HttpConnection.open(load.url)),
  );
  const opened = [...idle];
  const startedAt = performance.now();
  const finished = Promise.withResolvers<void>();
  let sent = 0;
  let answered = 0;
  let refused = 0;

  const sendDue = () => {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1_000) * load.rate));
    while (sent < due) {
      // In turn: the server ends a connection that sends nothing for long.
      const connection = idle.shift();
      if (!connection) return;
      sendOne(connection, sent++);
    }
  };
  const sendOne = (connection: HttpConnection, index: number) => {
    const request = load.requests[index % load.requests.length];
    if (!request) throw new RangeError('There is no request to send');
    connection.send(request).then((status) => {
      if (index >= leadIn)
        latencies[index - leadIn] = performance.now() - startedAt - (index / load.rate) * 1_000;
      if (status !== 200) refused++;
      idle.push(connection);
      if (++answered === total) finished.resolve();
      else sendDue();
    }, finished.reject);
  };

  const ticks = setInterval(sendDue, TICK_MILLISECONDS);
  const patience = wait((load.leadInSeconds + load.seconds) * 1_000 + PATIENCE_MILLISECONDS, undefined, {
    ref: false,
  });
  try {
    await Promise.race([finished.promise, patience]);
    if (answered < total) throw new Error(`${total - answered} of ${total} requests were never answered`);
    return { latencies: latencies.sort(), sent, refused };
  } finally {
    clearInterval(ticks);
    for (const connection of opened) connection.close();
  }
}
