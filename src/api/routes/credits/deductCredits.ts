import type { Request, Response } from 'express';
import { z } from 'zod';
import { LONGEST_TEXT } from '../../../domain/credits/limits.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import {
  answerToBody,
  balanceAfter,
  type SentBody,
  Timestamp,
  timestampText,
  writeAndAnswer,
} from './contractAnswers.ts';
import { isAbsent, nameField, positiveInteger, requireFields, textField } from './contractFields.ts';
import { Amount, AppName, KeyHeader, UserId, WRITE_REFUSALS } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';

const DeductBody = z
  .object({
    user_id: UserId,
    amount: Amount,
    app_name: AppName,
    description: z.string().max(LONGEST_TEXT).default('Credit usage'),
    project_code: z
      .string()
      .nullable()
      .default(null)
      .meta({ description: 'Any reference; it need not exist' }),
  })
  .meta({ id: 'DeductCredits' });

const Deducted = z
  .object({
    success: z.literal(true),
    credits_deducted: z.int(),
    new_balance: z.int(),
    app_name: z.string(),
    timestamp: Timestamp,
  })
  .meta({ id: 'CreditsDeducted' });

/** `POST /api/unified/deduct-credits`: takes credits for something that an app did. */
export function deductCreditsRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/unified/deduct-credits',
    access: 'credits:write',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'Take credits of a user',
      description: 'All of the amount or nothing; a balance never falls below zero.',
      tags: ['Credits'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: DeductBody } } },
      responses: {
        200: { description: 'Taken', content: { 'application/json': { schema: Deducted } } },
        ...WRITE_REFUSALS,
        400: {
          description: 'A field is missing or cannot be taken, or the user has fewer credits than that',
        },
      },
    },
    handle: (request, response) =>
      answerToBody(request, (body) => deductCredits(dependencies, body, request, response)),
  };
}

async function deductCredits(
  { ledger, firstContact }: CreditsRouteDependencies,
  { sent, since }: SentBody,
  request: Request,
  response: Response,
): Promise<void> {
  requireFields(sent, ['user_id', 'amount', 'app_name']);
  const command = {
    kind: 'deduct',
    user_id: nameField(sent, 'user_id'),
    amount: positiveInteger(sent['amount'], 'amount'),
    app_name: nameField(sent, 'app_name'),
    description: isAbsent(sent, 'description') ? 'Credit usage' : textField(sent, 'description'),
    project_code: isAbsent(sent, 'project_code') ? null : nameField(sent, 'project_code'),
  } as const;
  await firstContact(command.user_id);
  await writeAndAnswer(ledger, request, response, {
    command,
    sent,
    since,
    show: (done) => ({
      credits_deducted: command.amount,
      new_balance: balanceAfter(done),
      app_name: command.app_name,
      timestamp: timestampText(),
    }),
    // Also for a user that nobody knows.
    refuse: () => new BadRequestError('Insufficient credits or deduction failed'),
  });
}
