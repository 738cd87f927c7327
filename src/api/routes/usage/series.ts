import { stringify } from 'csv-stringify/sync';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { countNumber, moneyNumber } from '../../../domain/money/jsonNumber.ts';
import { formatMicros } from '../../../domain/money/micros.ts';
import type { BusinessCalendar, CalendarUnit } from '../../../domain/time/businessCalendar.ts';
import type { InstantRange } from '../../../domain/time/instantRange.ts';
import { parseDay } from '../../../domain/time/parseWallClock.ts';
import type { UsageBucket } from '../../../domain/usage/totals.ts';
import type { SeriesPosition } from '../../../models/usageBuckets.ts';
import { readSeries, type SeriesPage } from '../../../models/usageTotals.ts';
import { findUsersById } from '../../../models/users.ts';
import { answerJson, answerText } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError, badRequestFrom, NotFoundError } from '../../errors.ts';
import { nextPage } from '../../nextPage.ts';
import type { Route } from '../../route.ts';
import type { UsageRouteDependencies } from './dependencies.ts';

const Unit = z.enum(['hour', 'day', 'month']);

const SeriesQuery = z.object({
  unit: Unit.default('day'),
  date_from: z.string().optional().meta({
    description:
      'First day, `YYYY-MM-DD`; by default 1, 30 or 365 days before the last one, for hours, days or months',
  }),
  date_to: z.string().optional().meta({ description: 'Last day, included; by default today' }),
  userName: z.string().trim().min(1).optional().meta({ description: 'Only this user' }),
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  format: z.enum(['json', 'csv']).default('json'),
});

const SeriesRow = z
  .object({
    period: z
      .string()
      .meta({ example: '2026-01-05', description: 'Hour, day or month on the business wall clock' }),
    start: z.iso.datetime().meta({ description: 'Its first instant, UTC' }),
    userName: z.string().nullable(),
    user_id: z.int(),
    image_count: z.int(),
    image_cost: z.number(),
    video_count: z.int(),
    video_cost: z.number(),
    total_cost: z.number(),
  })
  .meta({ id: 'UsageSeriesRow' });

const Series = z
  .object({
    unit: Unit,
    date_from: z.iso.date(),
    date_to: z.iso.date(),
    rows: z.array(SeriesRow),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'UsageSeries' });

/** `GET /api/tools/usage`: sums by hour, day or month and user. */
export function seriesRoute(dependencies: UsageRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/tools/usage',
    access: 'usage:read',
    errors: 'problem',
    documentation: {
      summary: 'Time series of usage, grouped by user',
      description:
        'In order of period and user, in pages; periods without usage have no row. As CSV the next page is in the `Link` header.',
      tags: ['Usage'],
      requestParams: { query: SeriesQuery },
      responses: {
        200: {
          description: 'A page',
          content: { 'application/json': { schema: Series }, 'text/csv': { schema: z.string() } },
        },
        400: { description: 'A parameter that cannot be taken' },
        404: { description: 'No such user' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'The stores', series(dependencies, request, response)),
  };
}

async function series(
  dependencies: UsageRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const parsed = SeriesQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const query = parsed.data;
  const range = rangeOf(query, dependencies.calendar);
  const userId = query.userName === undefined ? undefined : await requireUserId(dependencies, query.userName);
  const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
  const page = await readSeries(dependencies, {
    ...range,
    unit: query.unit,
    userId,
    after,
    limit: query.limit,
  });
  const rows = await toRows(dependencies, page);
  const nextCursor = page.next ? encodeCursor(page.next) : null;

  response.setHeader('Cache-Control', 'no-store');
  if (nextCursor !== null) response.setHeader('Link', `<${nextPage(request, nextCursor)}>; rel="next"`);
  if (query.format === 'csv') answerText(response, 200, 'text/csv; charset=utf-8', toCsv(rows));
  else {
    answerJson(response, 200, {
      unit: query.unit,
      date_from: dependencies.calendar.dayText(range.first),
      date_to: dependencies.calendar.dayText(range.end - 1),
      rows: rows.map(toJson),
      next_cursor: nextCursor,
    });
  }
}

interface Row {
  readonly period: string;
  readonly userName: string | null;
  readonly bucket: UsageBucket;
}

async function toRows({ connection, calendar }: UsageRouteDependencies, page: SeriesPage): Promise<Row[]> {
  const users = await findUsersById(
    connection,
    page.buckets.map((bucket) => bucket.user_id),
  );
  const names = new Map(users.map((user) => [user.user_id, user.user_name]));
  return page.buckets.map((bucket) => ({
    period: periodText(bucket.unit, bucket.start, calendar),
    userName: names.get(bucket.user_id) ?? null,
    bucket,
  }));
}

function toJson({ period, userName, bucket }: Row): Record<string, unknown> {
  return {
    period,
    start: new Date(bucket.start).toISOString(),
    userName,
    user_id: bucket.user_id,
    image_count: countNumber(bucket.image_count),
    image_cost: moneyNumber(bucket.image_cost),
    video_count: countNumber(bucket.video_count),
    video_cost: moneyNumber(bucket.video_cost),
    total_cost: moneyNumber(bucket.total_cost),
  };
}

/** A name that a spreadsheet would take for a formula is defused. */
function toCsv(rows: readonly Row[]): string {
  const records = rows.map(({ period, userName, bucket }) => ({
    period,
    start: new Date(bucket.start).toISOString(),
    userName,
    user_id: bucket.user_id,
    image_count: bucket.image_count,
    image_cost: formatMicros(bucket.image_cost),
    video_count: bucket.video_count,
    video_cost: formatMicros(bucket.video_cost),
    total_cost: formatMicros(bucket.total_cost),
  }));
  return stringify(records, { header: true, columns: Object.keys(SeriesRow.shape), escape_formulas: true });
}

function periodText(unit: CalendarUnit, start: number, calendar: BusinessCalendar): string {
  const lengths = { hour: 'YYYY-MM-DD HH:MM'.length, day: 'YYYY-MM-DD'.length, month: 'YYYY-MM'.length };
  return calendar.wallClockText(start).slice(0, lengths[unit]);
}

const DEFAULT_DAYS = { hour: 1, day: 30, month: 365 } as const satisfies Record<CalendarUnit, number>;

function rangeOf(
  query: { unit: CalendarUnit; date_from?: string | undefined; date_to?: string | undefined },
  calendar: BusinessCalendar,
): InstantRange {
  const last = query.date_to === undefined ? Date.now() : requireDay(query.date_to, 'date_to', calendar);
  const first =
    query.date_from === undefined
      ? calendar.addDays(last, -DEFAULT_DAYS[query.unit])
      : requireDay(query.date_from, 'date_from', calendar);
  const end = calendar.addDays(last, 1);
  if (first >= end) throw new BadRequestError('date_from must not be after date_to');
  // Months are whole: a part of one has no sum of its own in a series.
  if (query.unit === 'month')
    return { first: calendar.startOf('month', first), end: calendar.addMonths(end - 1, 1) };
  return { first, end };
}

function requireDay(text: string, name: string, calendar: BusinessCalendar): number {
  const day = parseDay(text, calendar);
  if (day === undefined) throw new BadRequestError(`${name} has to be a real day as YYYY-MM-DD`);
  return day;
}

async function requireUserId({ users }: UsageRouteDependencies, userName: string): Promise<number> {
  const user = await users.find(userName);
  if (!user) throw new NotFoundError('There is no such user');
  return user.user_id;
}

function encodeCursor(position: SeriesPosition): string {
  return Buffer.from(`${position.start}:${position.user_id}`).toString('base64url');
}

function decodeCursor(cursor: string): SeriesPosition {
  const match = /^(-?\d{1,15}):(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (!match) throw new BadRequestError('cursor is not one that was given out');
  return { start: Number(match[1]), user_id: Number(match[2]) };
}
