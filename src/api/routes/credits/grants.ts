import { z } from 'zod';
import { MOST_GRANTS, MOST_KEPT_GRANTS } from '../../../domain/credits/limits.ts';
import type { Route } from '../../route.ts';
import { carryOut, type Done } from './carryOut.ts';
import {
  Amount,
  BalanceView,
  balanceView,
  Description,
  Instant,
  KeyHeader,
  MovementView,
  movementView,
  UserId,
  WRITE_REFUSALS,
} from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { readBodyAs } from './readBodyAs.ts';

/** Where credits come from that no app has earned, as the contract calls it. */
const GIVER = 'system';

const GrantBody = z.strictObject({
  user_id: UserId,
  amount: Amount,
  expires_at: Instant.meta({ description: 'From then on what is left of the grant is gone' }),
  description: Description.default('Credit grant'),
  transaction_type: z.string().trim().min(1).max(100).default('bonus'),
});

const Grant = MovementView.extend({ balance: BalanceView }).meta({ id: 'CreditGrant' });

/** `POST /api/unified/grants`: credits with an end. */
export function grantRoute({ ledger }: CreditsRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/unified/grants',
    access: 'credits:write',
    errors: 'problem',
    cors: 'configured',
    audit: 'credits.grant',
    documentation: {
      summary: 'Give credits that expire',
      description: `What expires soonest is spent first; credits without an end are spent last. A user may have ${MOST_GRANTS} grants at a time of which something is left. Spent ones count only while the user has open holds, whose credits may come back to them: then there may be ${MOST_KEPT_GRANTS} in all.`,
      tags: ['Credits'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: GrantBody } } },
      responses: {
        201: { description: 'The movement', content: { 'application/json': { schema: Grant } } },
        ...WRITE_REFUSALS,
        404: { description: 'No such user' },
        409: {
          description: 'The user has as many expiring grants as one may have, or would have too many credits',
        },
        422: { description: `The end lies in the past; or: ${WRITE_REFUSALS[422].description}` },
      },
    },
    async handle(request, response) {
      const { sent, fields } = await readBodyAs(GrantBody, request);
      // What ended before 1970 has ended all the same.
      const expires_at = Math.max(0, Date.parse(fields.expires_at));
      request.context.audit = { target: fields.user_id };
      const command = { kind: 'add', ...fields, app_name: GIVER, expires_at } as const;
      await carryOut(ledger, request, response, { command, body: sent, status: 201, show: grant });
    },
  };
}

function grant({ movements, balances }: Done): object {
  const [movement] = movements;
  const [balance] = balances;
  if (!movement || !balance) throw new Error('A grant has a movement and a balance');
  return { ...movementView(movement), balance: balanceView(balance) };
}
