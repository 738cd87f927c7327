import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify/sync';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Movement } from '../../../domain/credits/ledger.ts';
import { findLedgerUser, listMovements, type MovementQuery } from '../../../models/ledgerReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { badRequestFrom } from '../../errors.ts';
import { nextPage } from '../../nextPage.ts';
import type { Route } from '../../route.ts';
import { Instant, MovementView, movementView, UserId } from './creditFields.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { LedgerRefusalError } from './ledgerRefusals.ts';

/** Movements of a CSV that are in memory at a time. */
const CSV_PAGE = 500;

const StatementQuery = z.object({
  user_id: UserId,
  from: Instant.optional().meta({ description: 'Movements from this moment on' }),
  to: Instant.optional().meta({ description: 'Movements before this moment' }),
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ description: 'For JSON only' }),
  format: z.enum(['json', 'csv']).default('json'),
});

const StatementLine = MovementView.extend({
  amount: z
    .int()
    .meta({ description: 'What it added to the credits of the user; negative when it took some' }),
  balance_after: z.int().meta({ description: 'Credits of the user right after it' }),
  held_after: z.int().meta({ description: 'What holds set aside right after it' }),
}).meta({ id: 'CreditStatementLine' });

const Statement = z
  .object({
    user_id: z.string(),
    movements: z.array(StatementLine).meta({ description: 'Newest first' }),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'CreditStatement' });

/** `GET /api/unified/statement`: every movement of a user's credits, holds included. */
export function statementRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/statement',
    access: 'credits:read',
    aboutUser: 'query',
    errors: 'problem',
    cors: 'configured',
    documentation: {
      summary: 'All movements of a user, with their entries and the balance after each',
      description:
        'Newest first. JSON comes in pages, which do not shift when movements are added meanwhile. CSV is the whole range, from the cursor on when there is one.',
      tags: ['Credits'],
      requestParams: { query: StatementQuery },
      responses: {
        200: {
          description: 'A page, or the whole as CSV',
          content: { 'application/json': { schema: Statement }, 'text/csv': { schema: z.string() } },
        },
        400: { description: 'A parameter that cannot be taken' },
        404: { description: 'No such user' },
      },
    },
    handle: (request, response) => statement(dependencies, request, response),
  };
}

async function statement(
  { connection }: CreditsRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const parsed = StatementQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { user_id, from, to, cursor, limit, format } = parsed.data;
  const range = {
    user_id,
    listed: 'all',
    from: from === undefined ? undefined : Date.parse(from),
    to: to === undefined ? undefined : Date.parse(to),
  } as const;
  const before = cursor === undefined ? undefined : decodeCursor(cursor, 1)[0];
  const readPage = (page: Pick<MovementQuery, 'before' | 'limit'>) =>
    withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', listMovements(connection, { ...range, ...page }));

  const user = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', findLedgerUser(connection, user_id));
  if (!user) throw new LedgerRefusalError('unknown-user');
  response.setHeader('Cache-Control', 'no-store');
  if (format === 'csv') {
    const first = await readPage({ before, limit: CSV_PAGE });
    const rows = csvRows(user_id, first, (last) => readPage({ before: last, limit: CSV_PAGE }));
    return sendCsv(request, response, rows);
  }
  // One more than is shown tells whether there is another page.
  const movements = await readPage({ before, limit: limit + 1 });
  const shown = movements.slice(0, limit);
  const last = movements.length > limit ? shown.at(-1) : undefined;
  const next = last ? encodeCursor([last.movement_id]) : null;
  if (next !== null) response.setHeader('Link', `<${nextPage(request, next)}>; rel="next"`);
  answerJson(response, 200, {
    user_id,
    movements: shown.map((movement) => lineOf(user_id, movement)),
    next_cursor: next,
  });
}

function lineOf(userId: string, movement: Movement): z.infer<typeof StatementLine> {
  const after = movement.balances.find((balance) => balance.user_id === userId);
  const own = movement.entries.filter(({ account }) => account === `user:${userId}`);
  return {
    ...movementView(movement),
    amount: own.reduce((sum, entry) => sum + entry.amount, 0),
    balance_after: after?.available ?? 0,
    held_after: after?.held ?? 0,
  };
}

const CSV_COLUMNS = [
  'at',
  'movement_id',
  'kind',
  'transaction_type',
  'app_name',
  'description',
  'project_code',
  'hold_id',
  'refunds',
  'amount',
  'balance_after',
  'held_after',
] as const satisfies readonly (keyof z.infer<typeof StatementLine>)[];

/** The text of the file, page by page: the next one is read when the client has taken this one. */
async function* csvRows(
  userId: string,
  first: readonly Movement[],
  readAfter: (movementId: string) => Promise<readonly Movement[]>,
): AsyncGenerator<string> {
  yield `${CSV_COLUMNS.join(',')}\n`;
  for (let page = first; ; ) {
    yield stringify(page.map((movement) => csvCells(lineOf(userId, movement))));
    const last = page.at(-1);
    if (!last || page.length < CSV_PAGE) return;
    page = await readAfter(last.movement_id);
  }
}

function csvCells(line: z.infer<typeof StatementLine>): (string | number | null)[] {
  return CSV_COLUMNS.map((column) => {
    const value = line[column];
    return typeof value === 'string' ? defused(value) : value;
  });
}

/** A text that a spreadsheet would take for a formula, in half or full width; numbers stay numbers. */
const FORMULA = /^[=+\-@\t\r＝＋－＠]/;

function defused(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}

async function sendCsv(request: Request, response: Response, rows: AsyncGenerator<string>): Promise<void> {
  response.writeHead(200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': 'attachment; filename="statement.csv"',
    'X-Content-Type-Options': 'nosniff',
    'X-Request-Id': request.context.requestId,
  });
  try {
    await pipeline(Readable.from(rows), response);
  } catch (error) {
    // The client has gone, which is no failure of ours.
    if (error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    throw error;
  }
}
