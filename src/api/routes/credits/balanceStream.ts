import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Balance } from '../../../domain/credits/ledger.ts';
import { findBalances } from '../../../models/ledgerReads.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { badRequestFrom } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { balanceView, UserId } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { LedgerRefusalError } from './ledgerRefusals.ts';

const HEARTBEAT_MILLISECONDS = 15_000;
/** What the client waits before it connects again. */
const RETRY_MILLISECONDS = 2_000;

const StreamQuery = z.object({ user_id: UserId });

/** `GET /api/unified/balance/stream`: a balance as server-sent events. */
export function balanceStreamRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/balance/stream',
    access: 'credits:read',
    errors: 'problem',
    cors: 'configured',
    documentation: {
      summary: 'Live balance by server-sent events',
      description:
        'An event `balance` with the current balance at once, then one after each change; a reader that is slow gets the latest state only. `id` is the version of the balance and never falls. Who connects again gets the current balance first, so nothing has to be asked for again. A comment comes every 15 s.',
      tags: ['Credits'],
      requestParams: { query: StreamQuery },
      responses: {
        200: {
          description: 'Events without end, with the data `{"user_id": …, "credits": …, "held": …}`',
          content: { 'text/event-stream': { schema: z.string() } },
        },
        404: { description: 'No such user' },
        503: { description: 'This server shows as many live balances as it can' },
      },
    },
    handle: (request, response) => openStream(dependencies, request, response),
  };
}

async function openStream(
  { connection, liveBalances }: CreditsRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const query = StreamQuery.safeParse(request.query);
  if (!query.success) throw badRequestFrom(query.error, 'query');
  const { user_id } = query.data;
  const [known] = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', findBalances(connection, [user_id]));
  if (!known) throw new LedgerRefusalError('unknown-user');
  if (response.destroyed) return;

  const stream = new EventStream(request, response);
  const stop = liveBalances.watch({
    user_id,
    show: (balance) => stream.show(balance),
    end: () => stream.end(),
  });
  response.once('close', stop);
  stream.begin();
  // Nothing but headers is wanted; Node drops what is written behind them.
  if (request.method === 'HEAD') stream.end();
}

/** Writes the latest state as fast as the reader takes it. What it has not taken in is never more than one event. */
class EventStream {
  readonly #request: Request;
  readonly #response: Response;
  #latest: Balance | undefined;
  #sent = '';
  #isFull = false;
  #wasFull = false;

  constructor(request: Request, response: Response) {
    this.#request = request;
    this.#response = response;
  }

  begin(): void {
    this.#response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': this.#request.context.requestId,
    });
    this.#write(`retry: ${RETRY_MILLISECONDS}\n\n`);
    const heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MILLISECONDS).unref();
    this.#response.once('close', () => clearInterval(heartbeat));
    this.#response.on('drain', () => {
      this.#isFull = false;
      this.#flush();
    });
  }

  show(balance: Balance): void {
    this.#latest = balance;
    this.#flush();
  }

  /** A reader that takes nothing would keep the connection open for ever. */
  end(): void {
    if (this.#isFull) this.#response.destroy();
    else this.#response.end();
  }

  #flush(): void {
    const balance = this.#latest;
    if (this.#isFull || !balance) return;
    // A grant lapses by the clock, so that a balance may change before its version does.
    const event = eventOf(balance);
    if (event === this.#sent) return;
    this.#sent = event;
    this.#write(event);
  }

  /** Whoever has taken nothing since the last beat is gone. */
  #beat(): void {
    if (this.#isFull && this.#wasFull) this.#response.destroy();
    else if (!this.#isFull) this.#write(': heartbeat\n\n');
    this.#wasFull = this.#isFull;
  }

  #write(text: string): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    this.#isFull = !this.#response.write(text);
  }
}

function eventOf(balance: Balance): string {
  return `event: balance\nid: ${balance.version}\ndata: ${JSON.stringify(balanceView(balance))}\n\n`;
}
