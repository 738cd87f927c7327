import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Movement } from '../../../domain/credits/ledger.ts';
import { listMovements } from '../../../models/ledgerReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { success, Timestamp, timestampText } from './contractAnswers.ts';
import { queriedUserId } from './contractFields.ts';
import { UserId } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';

const DEFAULT_LIMIT = 50;
/** More are left out; the statement has them in pages. */
const LARGEST_LIMIT = 10_000;

const Transaction = z
  .object({
    app_name: z.string(),
    transaction_type: z.string().meta({ example: 'used' }),
    amount: z.int().meta({ description: 'Negative when credits were spent' }),
    description: z.string(),
    project_code: z.string().nullable(),
    created_at: Timestamp,
  })
  .meta({ id: 'CreditTransaction' });

const Transactions = z
  .object({
    success: z.literal(true),
    all_transactions: z.array(Transaction).meta({ description: 'Newest first' }),
    penora_transactions: z.array(Transaction),
    imagegene_transactions: z.array(Transaction),
    total_count: z.int(),
    timestamp: Timestamp,
  })
  .meta({ id: 'CreditTransactions' });

/** `GET /api/unified/transactions`: the latest changes of a user's credits. */
export function transactionsRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/transactions',
    access: 'credits:read',
    aboutUser: 'query',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'The latest transactions of a user',
      description: 'Holds and their release are not listed; what was captured of one is `used`.',
      tags: ['Credits'],
      requestParams: {
        query: z.object({
          user_id: UserId,
          limit: z
            .int()
            .min(0)
            .default(DEFAULT_LIMIT)
            .meta({ description: `At most ${LARGEST_LIMIT} are given` }),
        }),
      },
      responses: {
        200: { description: 'The transactions', content: { 'application/json': { schema: Transactions } } },
        400: { description: 'A limit that is no whole number' },
        401: { description: 'The API key is missing or wrong, or `user_id` is missing' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', transactions(dependencies, request, response)),
  };
}

async function transactions(
  { connection }: CreditsRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const user_id = queriedUserId(request);
  const limit = Math.min(queriedLimit(request), LARGEST_LIMIT);
  const movements =
    limit === 0 ? [] : await listMovements(connection, { user_id, listed: 'contract', limit });
  const all = movements.map((movement) => transactionOf(user_id, movement));
  response.setHeader('Cache-Control', 'no-store');
  answerJson(
    response,
    200,
    success({
      all_transactions: all,
      penora_transactions: all.filter(({ app_name }) => app_name === 'penora'),
      imagegene_transactions: all.filter(({ app_name }) => app_name === 'imagegene'),
      total_count: all.length,
      timestamp: timestampText(),
    }),
  );
}

function queriedLimit(request: Request): number {
  const value: unknown = request.query['limit'];
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (first === undefined) return DEFAULT_LIMIT;
  if (typeof first !== 'string' || !/^\d{1,15}$/.test(first)) {
    throw new BadRequestError('limit must be a whole number');
  }
  return Number(first);
}

function transactionOf(userId: string, movement: Movement): z.infer<typeof Transaction> {
  return {
    app_name: movement.app_name,
    transaction_type: movement.transaction_type,
    amount: changeOf(userId, movement),
    description: movement.description,
    project_code: movement.project_code,
    created_at: timestampText(movement.at),
  };
}

/** What a movement did to the user's credits. A capture spends what was held; what it gives back was never spent. */
function changeOf(userId: string, { kind, entries }: Movement): number {
  const sumOf = (isWanted: (account: string) => boolean) =>
    entries.reduce((sum, { account, amount }) => (isWanted(account) ? sum + amount : sum), 0);
  if (kind === 'capture') return -sumOf((account) => account.startsWith('app:'));
  return sumOf((account) => account === `user:${userId}`);
}
