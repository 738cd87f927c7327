import { z } from 'zod';
import type { Route } from '../../route.ts';
import { carryOut, type Done } from './carryOut.ts';
import {
  Amount,
  AppName,
  BalanceView,
  balanceView,
  Description,
  KeyHeader,
  MovementView,
  movementView,
  UserId,
  WRITE_REFUSALS,
} from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { readBodyAs } from './readBodyAs.ts';

const TransferBody = z.strictObject({
  from_user_id: UserId,
  to_user_id: UserId,
  amount: Amount,
  description: Description.default('Transfer'),
  app_name: AppName.default('system'),
});

const Transfer = MovementView.extend({ from: BalanceView, to: BalanceView }).meta({ id: 'CreditTransfer' });

/** `POST /api/unified/transfers`: credits from one user to another. */
export function transferRoute({ ledger }: CreditsRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/unified/transfers',
    access: 'credits:write',
    errors: 'problem',
    cors: 'configured',
    audit: 'credits.transfer',
    documentation: {
      summary: 'Move credits from one user to another',
      description: 'A refusal names in `user_id` which of the two users stands against it.',
      tags: ['Credits'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: TransferBody } } },
      responses: {
        201: { description: 'The movement', content: { 'application/json': { schema: Transfer } } },
        ...WRITE_REFUSALS,
        402: { description: 'The first user has fewer credits than that' },
        404: { description: 'No such user' },
        409: {
          description:
            'The second user would have too many credits, or has as many expiring grants as one may have: `reason` says which',
        },
        422: { description: `Both users are the same; or: ${WRITE_REFUSALS[422].description}` },
      },
    },
    async handle(request, response) {
      const { sent, fields } = await readBodyAs(TransferBody, request);
      const command = { kind: 'transfer', ...fields } as const;
      request.context.audit = { target: `${fields.from_user_id} -> ${fields.to_user_id}` };
      await carryOut(ledger, request, response, { command, body: sent, status: 201, show: transfer });
    },
  };
}

function transfer({ movements, balances }: Done): object {
  const [movement] = movements;
  const [from, to] = balances;
  if (!movement || !from || !to) throw new Error('A transfer has a movement and two balances');
  return { ...movementView(movement), from: balanceView(from), to: balanceView(to) };
}
