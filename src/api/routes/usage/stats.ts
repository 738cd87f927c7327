import type { Request, Response } from 'express';
import { z } from 'zod';
import { countNumber, moneyNumber } from '../../../domain/money/jsonNumber.ts';
import { choosePeriod, NAMED_PERIODS } from '../../../domain/usage/period.ts';
import { isRefused } from '../../../domain/usage/report.ts';
import { readUserTotals } from '../../../models/usageTotals.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { UsageRouteDependencies } from './dependencies.ts';
import { requireSeller } from './refusals.ts';

const Stats = z
  .object({
    status: z.literal('success'),
    data: z.object({
      userName: z.string(),
      user_id: z.int(),
      filter: z.object({
        period: z.enum([...NAMED_PERIODS, 'custom']),
        date_from: z.iso.date().nullable(),
        date_to: z.iso.date().nullable(),
        description: z.string().meta({ example: 'This Month (January 2026)' }),
      }),
      stats: z.object({
        total_image_count: z.int(),
        total_image_cost: z.number(),
        total_video_count: z.int(),
        total_video_cost: z.number(),
        total_cost: z.number(),
      }),
      last_updated: z.string().meta({ example: '2026-01-05 10:13:00' }),
    }),
  })
  .meta({ id: 'UsageStats' });

/** `GET /api/tools/stats/{userName}`: exact sums of one user, what is still queued included. */
export function statsRoute(dependencies: UsageRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/tools/stats/:userName',
    access: dependencies.contractAccess === 'open' ? 'open' : 'usage:read',
    errors: 'usage',
    cors: 'any',
    documentation: {
      summary: 'Sums of one user for a period',
      description:
        'A complete range of dates counts before a named period; without either, all time. Every acknowledged report is in, each exactly once.',
      tags: ['Usage'],
      requestParams: {
        path: z.object({ userName: z.string() }),
        query: z.object({
          date_from: z.iso.date().optional(),
          date_to: z.iso.date().optional(),
          period: z.enum(NAMED_PERIODS).optional(),
        }),
      },
      responses: {
        200: { description: 'The sums', content: { 'application/json': { schema: Stats } } },
        400: { description: 'A period or date that cannot be taken' },
        404: { description: 'No such user, or not an active seller' },
      },
    },
    example: {
      title: 'Read the totals',
      command: (baseUrl) => `curl -s '${baseUrl}/api/tools/stats/demo.seller?period=this_month'`,
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'The stores', stats(dependencies, request, response)),
  };
}

async function stats(
  dependencies: UsageRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { users, calendar } = dependencies;
  const user = await requireSeller(users, String(request.params['userName']).trim());
  const now = Date.now();
  const query = {
    date_from: single(request, 'date_from'),
    date_to: single(request, 'date_to'),
    period: single(request, 'period'),
  };
  const period = choosePeriod(query, now, calendar);
  if (isRefused(period)) throw new BadRequestError(period.refused);
  const { totals, lastReceivedAt } = await readUserTotals(dependencies, user.user_id, period.range);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    status: 'success',
    data: {
      userName: user.user_name,
      user_id: user.user_id,
      filter: period.filter,
      stats: {
        total_image_count: countNumber(totals.image_count),
        total_image_cost: moneyNumber(totals.image_cost),
        total_video_count: countNumber(totals.video_count),
        total_video_cost: moneyNumber(totals.video_cost),
        total_cost: moneyNumber(totals.total_cost),
      },
      last_updated: calendar.wallClockText(lastReceivedAt ?? now),
    },
  });
}

/** A parameter that was repeated counts with its last value, as it did in the contract's first server. */
function single(request: Request, name: string): string | undefined {
  const value: unknown = request.query[name];
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  return typeof last === 'string' ? last.trim() : undefined;
}
