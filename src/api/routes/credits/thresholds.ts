import type { Request } from 'express';
import { z } from 'zod';
import { findLedgerUser } from '../../../models/ledgerReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { Route } from '../../route.ts';
import { carryOut } from './carryOut.ts';
import { KeyHeader, UserId, WRITE_REFUSALS } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { LedgerRefusalError } from './ledgerRefusals.ts';
import { readBodyAs } from './readBodyAs.ts';
import { readPathAs } from './readPathAs.ts';

const ThresholdPath = z.object({ user_id: UserId });
const ThresholdBody = z.strictObject({
  credits: z
    .int()
    .min(1)
    .nullable()
    .meta({ description: 'Fewer credits than this are few; null for no threshold' }),
});
const Threshold = z
  .object({ user_id: z.string(), credits: z.int().nullable() })
  .meta({ id: 'CreditThreshold' });

const ANSWER = { description: 'The threshold', content: { 'application/json': { schema: Threshold } } };

/** When a user's credits are few, and somebody should hear of it. */
export function thresholdRoutes({ ledger, connection }: CreditsRouteDependencies): readonly Route[] {
  return [
    {
      method: 'put',
      path: '/api/unified/thresholds/:user_id',
      access: 'credits:write',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'Set the threshold of a user',
        description:
          'A `credits.low` event goes to the webhooks once for each time that the credits fall below it: the next one needs that they were at it or above in between.',
        tags: ['Credits'],
        requestParams: { path: ThresholdPath, header: KeyHeader },
        requestBody: { content: { 'application/json': { schema: ThresholdBody } } },
        responses: { 200: ANSWER, ...WRITE_REFUSALS, 404: { description: 'No such user' } },
      },
      async handle(request, response) {
        const { sent, fields } = await readBodyAs(ThresholdBody, request);
        const user_id = userIdOf(request);
        const { credits } = fields;
        const command = { kind: 'set-threshold', user_id, threshold: credits } as const;
        const show = () => ({ user_id, credits });
        await carryOut(ledger, request, response, { command, body: sent, status: 200, show });
      },
    },
    {
      method: 'get',
      path: '/api/unified/thresholds/:user_id',
      access: 'credits:read',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'The threshold of a user',
        tags: ['Credits'],
        requestParams: { path: ThresholdPath },
        responses: { 200: ANSWER, 404: { description: 'No such user' } },
      },
      async handle(request, response) {
        const reading = findLedgerUser(connection, userIdOf(request));
        const user = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', reading);
        if (!user) throw new LedgerRefusalError('unknown-user');
        answerJson(response, 200, { user_id: user.user_id, credits: user.low_threshold });
      },
    },
  ];
}

function userIdOf(request: Request): string {
  return readPathAs(ThresholdPath, request).user_id;
}
