import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { HOLD_STATUSES, type Hold } from '../../../domain/credits/ledger.ts';
import { findHold, listHolds } from '../../../models/ledgerReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError, badRequestFrom } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { carryOut, type Done } from './carryOut.ts';
import {
  Amount,
  AppName,
  BalanceView,
  balanceView,
  Description,
  HoldView,
  holdView,
  KeyHeader,
  MovementView,
  movementView,
  ProjectCode,
  UserId,
  WRITE_REFUSALS,
} from './creditFields.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { LedgerRefusalError } from './ledgerRefusals.ts';
import { readBodyAs } from './readBodyAs.ts';
import { readPathAs } from './readPathAs.ts';

const DEFAULT_SECONDS = 900;
const MOST_SECONDS = 7 * 86_400;

const HoldPath = z.object({ hold_id: z.string().max(100) });

const HoldBody = z.strictObject({
  user_id: UserId,
  amount: Amount,
  app_name: AppName,
  description: Description.default(''),
  expires_in_seconds: z.int().min(1).max(MOST_SECONDS).default(DEFAULT_SECONDS),
});

const CaptureBody = z.strictObject({
  amount: Amount.optional().meta({ description: 'All that is left of the hold unless given' }),
  final: z
    .boolean()
    .default(true)
    .meta({ description: 'Gives back what is left and closes the hold; with `false` more can be captured' }),
  description: Description.optional(),
  project_code: ProjectCode.nullable().default(null),
});

const ReleaseBody = z.strictObject({});

const HoldsQuery = z.object({
  user_id: UserId,
  status: z.enum(HOLD_STATUSES).optional(),
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

const HoldsPage = z.object({ holds: z.array(HoldView), next_cursor: z.string().nullable() }).meta({
  id: 'CreditHolds',
});

const HoldChange = HoldView.extend({ balance: BalanceView, movements: z.array(MovementView) }).meta({
  id: 'CreditHoldChange',
});

const CHANGED = {
  description: 'The hold as it is now, the balance, and the movements that were made',
  content: { 'application/json': { schema: HoldChange } },
};
const NOT_OPEN = {
  description: 'The hold is captured, released or expired: `hold_status` says which',
};

/** Credits that are set aside before it is known what something costs. */
export function holdRoutes(dependencies: CreditsRouteDependencies): readonly Route[] {
  const { ledger } = dependencies;
  return [
    {
      method: 'post',
      path: '/api/unified/holds',
      access: 'credits:write',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'Set credits aside',
        description:
          'They cannot be spent otherwise until the hold is captured or released, or expires and gives them back by itself.',
        tags: ['Credits'],
        requestParams: { header: KeyHeader },
        requestBody: { content: { 'application/json': { schema: HoldBody } } },
        responses: {
          201: CHANGED,
          ...WRITE_REFUSALS,
          402: { description: 'The user has fewer credits than that' },
          404: { description: 'No such user' },
        },
      },
      async handle(request, response) {
        const { sent, fields } = await readBodyAs(HoldBody, request);
        const { expires_in_seconds, ...rest } = fields;
        const expires_at = Date.now() + expires_in_seconds * 1_000;
        const command = { kind: 'hold', hold_id: randomUUID(), ...rest, expires_at } as const;
        await carryOut(ledger, request, response, { command, body: sent, status: 201, show: holdChange });
      },
    },
    {
      method: 'get',
      path: '/api/unified/holds',
      access: 'credits:read',
      aboutUser: 'query',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'Holds of a user, newest first',
        tags: ['Credits'],
        requestParams: { query: HoldsQuery },
        responses: {
          200: { description: 'A page', content: { 'application/json': { schema: HoldsPage } } },
          400: { description: 'A parameter that cannot be taken' },
        },
      },
      handle: (request, response) =>
        withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', list(dependencies, request, response)),
    },
    {
      method: 'get',
      path: '/api/unified/holds/:hold_id',
      access: 'credits:read',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'One hold',
        tags: ['Credits'],
        requestParams: { path: HoldPath },
        responses: {
          200: { description: 'The hold', content: { 'application/json': { schema: HoldView } } },
          404: { description: 'No such hold' },
        },
      },
      async handle(request, response) {
        const hold = findHold(dependencies.connection, holdIdOf(request));
        const found = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', hold);
        if (!found) throw new LedgerRefusalError('unknown-hold');
        answerJson(response, 200, holdView(found));
      },
    },
    {
      method: 'post',
      path: '/api/unified/holds/:hold_id/capture',
      access: 'credits:write',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'Spend what was set aside, in part or whole',
        tags: ['Credits'],
        requestParams: { path: HoldPath, header: KeyHeader },
        requestBody: { content: { 'application/json': { schema: CaptureBody } } },
        responses: {
          200: CHANGED,
          ...WRITE_REFUSALS,
          404: { description: 'No such hold' },
          409: NOT_OPEN,
          422: { description: `More than is left of the hold; or: ${WRITE_REFUSALS[422].description}` },
        },
      },
      async handle(request, response) {
        const { sent, fields } = await readBodyAs(CaptureBody, request);
        const command = { kind: 'capture', hold_id: holdIdOf(request), ...fields } as const;
        await carryOut(ledger, request, response, { command, body: sent, status: 200, show: holdChange });
      },
    },
    {
      method: 'post',
      path: '/api/unified/holds/:hold_id/release',
      access: 'credits:write',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'Give back what was set aside',
        tags: ['Credits'],
        requestParams: { path: HoldPath, header: KeyHeader },
        requestBody: { required: false, content: { 'application/json': { schema: ReleaseBody } } },
        responses: {
          200: CHANGED,
          ...WRITE_REFUSALS,
          404: { description: 'No such hold' },
          409: NOT_OPEN,
        },
      },
      async handle(request, response) {
        const { sent } = await readBodyAs(ReleaseBody, request);
        const command = { kind: 'release', hold_id: holdIdOf(request) } as const;
        await carryOut(ledger, request, response, { command, body: sent, status: 200, show: holdChange });
      },
    },
  ];
}

async function list(
  { connection }: CreditsRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const parsed = HoldsQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { cursor, limit, ...which } = parsed.data;
  const before = cursor === undefined ? undefined : positionOf(cursor);
  const holds = await listHolds(connection, { ...which, before, limit: limit + 1 });
  const shown = holds.slice(0, limit);
  const last = holds.length > limit ? shown.at(-1) : undefined;
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    holds: shown.map(holdView),
    next_cursor: last ? encodeCursor([String(last.created_at), last.hold_id]) : null,
  });
}

function positionOf(cursor: string): Pick<Hold, 'created_at' | 'hold_id'> {
  const [createdAt, hold_id = ''] = decodeCursor(cursor, 2);
  const created_at = Number(createdAt);
  if (!Number.isSafeInteger(created_at)) throw new BadRequestError('The cursor is not one of this list');
  return { created_at, hold_id };
}

function holdChange({ hold, balances, movements }: Done): object {
  const [balance] = balances;
  if (!hold || !balance) throw new Error('A change of a hold has a hold and a balance');
  return { ...holdView(hold), balance: balanceView(balance), movements: movements.map(movementView) };
}

function holdIdOf(request: Request): string {
  return readPathAs(HoldPath, request).hold_id;
}
