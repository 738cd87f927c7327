import type { Request, Response } from 'express';
import { z } from 'zod';
import { findBalances } from '../../../models/ledgerReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { badRequestFrom } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { BalanceView, balanceView, UserId } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';

const MOST_USERS = 100;

const BalancesQuery = z.object({
  user_id: z
    .union([UserId.transform((id) => [id]), z.array(UserId).min(1).max(MOST_USERS)])
    .meta({ description: `Repeated for each user, up to ${MOST_USERS} times` }),
});

const Balances = z
  .object({
    balances: z.array(BalanceView).meta({ description: 'In the order of the question' }),
    unknown: z.array(z.string()).meta({ description: 'Ids that no user has' }),
  })
  .meta({ id: 'CreditBalances' });

/** `GET /api/unified/balances`: several balances as they were at one moment. */
export function balancesRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/balances',
    access: 'credits:read',
    aboutUser: 'query',
    errors: 'problem',
    cors: 'configured',
    documentation: {
      summary: 'Balances of several users in one snapshot',
      description:
        'All of them are of the same moment: a transfer between two of the users is in both balances or in none.',
      tags: ['Credits'],
      requestParams: { query: BalancesQuery },
      responses: {
        200: { description: 'The balances', content: { 'application/json': { schema: Balances } } },
        400: { description: `No user, or more than ${MOST_USERS}` },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', show(dependencies, request, response)),
  };
}

async function show(
  { connection }: CreditsRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const parsed = BalancesQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const ids = [...new Set(parsed.data.user_id)];
  const found = new Map(
    (await findBalances(connection, ids)).map((balance) => [balance.user_id, balance] as const),
  );
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    balances: ids.flatMap((id) => found.get(id) ?? []).map(balanceView),
    unknown: ids.filter((id) => !found.has(id)),
  });
}
