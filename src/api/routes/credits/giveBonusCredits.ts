import { randomBytes } from 'node:crypto';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { type BonusGiven as BonusGivenToAll, giveBonusToAll } from '../../../models/ledgerBonus.ts';
import { sameSecret } from '../../access/sameSecret.ts';
import { UnauthorizedError } from '../../errors.ts';
import { answerOnce, onceOf } from '../../idempotency.ts';
import type { Route } from '../../route.ts';
import { successReply, Timestamp, timestampText } from './contractAnswers.ts';
import { isAbsent, positiveInteger, readContractBody } from './contractFields.ts';
import { Amount, KeyHeader, WRITE_REFUSALS } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';

const DEFAULT_BONUS = 10;

const BonusBody = z
  .object({
    bonus_amount: Amount.default(DEFAULT_BONUS),
    admin_key: z.string().meta({ description: '`CREDITS_BONUS_KEY` of the installation' }),
  })
  .meta({ id: 'GiveBonusCredits' });

const BonusGiven = z
  .object({
    success: z.literal(true),
    message: z.string().meta({ example: 'Successfully gave 10 bonus credits to all users' }),
    users_updated: z.int(),
    total_credits_distributed: z.int(),
    timestamp: Timestamp,
  })
  .meta({ id: 'BonusCreditsGiven' });

/** `POST /api/unified/give-bonus-credits`: the same for everybody. */
export function giveBonusCreditsRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/unified/give-bonus-credits',
    access: 'credits:write',
    errors: 'credits',
    cors: 'configured',
    audit: 'credits.bonus',
    documentation: {
      summary: 'Give every user a bonus',
      description:
        'Takes as long as there are users. With an `Idempotency-Key` a request that broke off may be sent again: it goes on where the first one ended.',
      tags: ['Credits'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: BonusBody } } },
      responses: {
        200: { description: 'Given', content: { 'application/json': { schema: BonusGiven } } },
        ...WRITE_REFUSALS,
        401: { description: 'The API key or the `admin_key` is missing or wrong' },
      },
    },
    handle: (request, response) => giveBonusCredits(dependencies, request, response),
  };
}

async function giveBonusCredits(
  { connection, bonusKey, onLedgerChange }: CreditsRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const sent = await readContractBody(request);
  const { admin_key: adminKey, ...withoutKey } = sent;
  if (typeof adminKey !== 'string' || bonusKey === undefined || !sameSecret(adminKey, bonusKey)) {
    throw new UnauthorizedError('Unauthorized - Admin key required', 'Bearer realm="millrace"');
  }
  const amount = isAbsent(sent, 'bonus_amount')
    ? DEFAULT_BONUS
    : positiveInteger(sent['bonus_amount'], 'bonus_amount');
  const once = onceOf(request, withoutKey) ?? { id: randomBytes(32).toString('base64url'), fingerprint: '' };
  const reply = (given: BonusGivenToAll) =>
    successReply({
      message: `Successfully gave ${amount} bonus credits to all users`,
      users_updated: given.users_updated,
      total_credits_distributed: given.total_credits_distributed,
      timestamp: timestampText(),
    });
  const answer = await giveBonusToAll(connection, amount, { ...once, reply }, onLedgerChange);
  answerOnce(request, response, answer);
}
