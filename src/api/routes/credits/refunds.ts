import { z } from 'zod';
import { MOST_KEPT_GRANTS } from '../../../domain/credits/limits.ts';
import type { Route } from '../../route.ts';
import { carryOut, type Done } from './carryOut.ts';
import {
  BalanceView,
  balanceView,
  Description,
  KeyHeader,
  MovementView,
  movementView,
  WRITE_REFUSALS,
} from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { readBodyAs } from './readBodyAs.ts';

const RefundBody = z.strictObject({
  movement_id: z
    .string()
    .min(1)
    .max(100)
    .meta({ description: 'A deduction or a capture, as the statement lists it' }),
  description: Description.default('Refund'),
});

const Refund = MovementView.extend({ balance: BalanceView }).meta({ id: 'CreditRefund' });

/** `POST /api/unified/refunds`: gives a deduction or a capture back, whole and once. */
export function refundRoute({ ledger }: CreditsRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/unified/refunds',
    access: 'credits:write',
    errors: 'problem',
    cors: 'configured',
    audit: 'credits.refund',
    documentation: {
      summary: 'Give a deduction or a capture back',
      description:
        'Whole, and once, with or without an Idempotency-Key. The movement itself stays; the refund names it.',
      tags: ['Credits'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: RefundBody } } },
      responses: {
        201: { description: 'The refund', content: { 'application/json': { schema: Refund } } },
        ...WRITE_REFUSALS,
        404: { description: 'No such movement' },
        409: {
          description: `It was refunded before (\`refund_movement_id\` is the first refund), it is neither deduction nor capture, or the user would have too many credits or more than ${MOST_KEPT_GRANTS} expiring grants: \`reason\` says which`,
        },
      },
    },
    async handle(request, response) {
      const { sent, fields } = await readBodyAs(RefundBody, request);
      const command = { kind: 'refund', ...fields } as const;
      request.context.audit = { target: fields.movement_id };
      await carryOut(ledger, request, response, { command, body: sent, status: 201, show: refund });
    },
  };
}

function refund({ movements, balances }: Done): object {
  const [movement] = movements;
  const [balance] = balances;
  if (!movement || !balance) throw new Error('A refund has a movement and a balance');
  return { ...movementView(movement), balance: balanceView(balance) };
}
