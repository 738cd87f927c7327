import type { Request, Response } from 'express';
import { z } from 'zod';
import { LONGEST_TEXT } from '../../../domain/credits/limits.ts';
import { BadRequestError, type HttpError, NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import {
  answerToBody,
  balanceAfter,
  type Refused,
  type SentBody,
  Timestamp,
  timestampText,
  writeAndAnswer,
} from './contractAnswers.ts';
import { isAbsent, nameField, positiveInteger, requireFields, textField } from './contractFields.ts';
import { Amount, KeyHeader, UserId, WRITE_REFUSALS } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';

const AddBody = z
  .object({
    user_id: UserId,
    amount: Amount,
    transaction_type: z.string().default('purchased').meta({ description: 'Listed as it was sent' }),
    description: z.string().max(LONGEST_TEXT).default('Credit addition'),
  })
  .meta({ id: 'AddCredits' });

const Added = z
  .object({
    success: z.literal(true),
    user_id: z.string(),
    credits_added: z.int(),
    amount_added: z.int(),
    new_balance: z.int(),
    message: z.string().meta({ example: 'Successfully added 10 credits' }),
    timestamp: Timestamp,
  })
  .meta({ id: 'CreditsAdded' });

/** `POST /api/unified/add-credits`: gives a user what was bought or granted. */
export function addCreditsRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/unified/add-credits',
    access: 'credits:write',
    errors: 'credits',
    cors: 'configured',
    audit: 'credits.add',
    documentation: {
      summary: 'Give credits to a user',
      tags: ['Credits'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: AddBody } } },
      responses: {
        200: { description: 'Given', content: { 'application/json': { schema: Added } } },
        ...WRITE_REFUSALS,
        404: { description: 'No such user' },
      },
    },
    handle: (request, response) =>
      answerToBody(request, (body) => addCredits(dependencies, body, request, response)),
  };
}

async function addCredits(
  { ledger, firstContact }: CreditsRouteDependencies,
  { sent, since }: SentBody,
  request: Request,
  response: Response,
): Promise<void> {
  requireFields(sent, ['user_id', 'amount']);
  const command = {
    kind: 'add',
    user_id: nameField(sent, 'user_id'),
    amount: positiveInteger(sent['amount'], 'amount'),
    app_name: 'system',
    transaction_type: isAbsent(sent, 'transaction_type') ? 'purchased' : nameField(sent, 'transaction_type'),
    description: isAbsent(sent, 'description') ? 'Credit addition' : textField(sent, 'description'),
  } as const;
  request.context.audit = { target: command.user_id };
  await firstContact(command.user_id);
  await writeAndAnswer(ledger, request, response, {
    command,
    sent,
    since,
    show: (done) => ({
      user_id: command.user_id,
      credits_added: command.amount,
      amount_added: command.amount,
      new_balance: balanceAfter(done),
      message: `Successfully added ${command.amount} credits`,
      timestamp: timestampText(),
    }),
    refuse: refusalOfAddition,
  });
}

function refusalOfAddition({ reason }: Refused): HttpError {
  if (reason === 'unknown-user') return new NotFoundError('User not found');
  return new BadRequestError('The balance would become too large');
}
