import type { Request, Response } from 'express';
import { z } from 'zod';
import { findBalances } from '../../../models/ledgerReads.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { endUnlessAllowed } from '../../endUnlessAllowed.ts';
import { badRequestFrom } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { BalanceEvents } from './balanceEvents.ts';
import { UserId } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { LedgerRefusalError } from './ledgerRefusals.ts';

const HEARTBEAT_MILLISECONDS = 15_000;
/** Then the reader connects again by itself. */
const LONGEST_STREAM_MILLISECONDS = 15 * 60_000;

const StreamQuery = z.object({ user_id: UserId });

/** `GET /api/unified/balance/stream`: a balance as server-sent events. */
export function balanceStreamRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/balance/stream',
    access: 'credits:read',
    aboutUser: 'query',
    errors: 'problem',
    cors: 'configured',
    documentation: {
      summary: 'Live balance by server-sent events',
      description:
        'An event `balance` with the current balance at once, then one after each change; a reader that is slow gets the latest state only. `id` is the version of the balance and never falls. Who connects again gets the current balance first, so nothing has to be asked for again. A comment comes every 15 s. After 15 minutes the stream ends, and the reader connects again. In one process an account may have 20 streams at a time, an API key 500.',
      tags: ['Credits'],
      requestParams: { query: StreamQuery },
      responses: {
        200: {
          description: 'Events with the data `{"user_id": …, "credits": …, "held": …}`',
          content: { 'text/event-stream': { schema: z.string() } },
        },
        404: { description: 'No such user' },
        503: { description: 'This server shows as many live balances as it can, in all or to one caller' },
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
  const { caller } = request.context;
  if (!caller) throw new Error('A live balance needs somebody who watches it');
  const [known] = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', findBalances(connection, [user_id]));
  if (!known) throw new LedgerRefusalError('unknown-user');
  if (response.destroyed) return;

  const events = new BalanceEvents(response, HEARTBEAT_MILLISECONDS);
  const stop = liveBalances.watch({
    user_id,
    watched_by: caller,
    show: (balance) => events.show(balance),
    end: () => events.end(),
  });
  const timer = setTimeout(() => events.end(), LONGEST_STREAM_MILLISECONDS).unref();
  endUnlessAllowed(request, response, () => events.end());
  response.once('close', () => {
    clearTimeout(timer);
    stop();
  });
  events.begin();
  // Nothing but headers is wanted; Node drops what is written behind them.
  if (request.method === 'HEAD') events.end();
}
