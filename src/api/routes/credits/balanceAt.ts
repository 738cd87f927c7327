import type { Request, Response } from 'express';
import { z } from 'zod';
import { balanceAt } from '../../../models/ledgerBalanceAt.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { badRequestFrom } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { Instant, instantText, UserId } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { LedgerRefusalError } from './ledgerRefusals.ts';

const BalanceQuery = z.object({
  user_id: UserId,
  at: Instant.optional().meta({ description: 'The moment, included; now when absent' }),
});

const BalanceAt = z
  .object({ user_id: z.string(), at: z.iso.datetime(), credits: z.int() })
  .meta({ id: 'CreditBalanceAt' });

/** `GET /api/unified/balance`: what a user could spend at a moment. */
export function balanceAtRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/balance',
    access: 'credits:read',
    aboutUser: 'query',
    errors: 'problem',
    cors: 'configured',
    documentation: {
      summary: 'Balance of a user at a moment',
      description:
        'The sum of all entries up to then, with the holds and credits that had ended by then, also where that was booked later; 0 before the user existed.',
      tags: ['Credits'],
      requestParams: { query: BalanceQuery },
      responses: {
        200: { description: 'The balance', content: { 'application/json': { schema: BalanceAt } } },
        400: { description: 'A parameter that cannot be taken' },
        404: { description: 'No such user' },
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
  const parsed = BalanceQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { user_id } = parsed.data;
  const at = parsed.data.at === undefined ? Date.now() : Date.parse(parsed.data.at);
  const credits = await balanceAt(connection, user_id, at);
  if (credits === undefined) throw new LedgerRefusalError('unknown-user');
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, { user_id, at: instantText(at), credits });
}
