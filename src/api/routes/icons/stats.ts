import type { Response } from 'express';
import { z } from 'zod';
import { readStats } from '../../../models/iconStats.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { Route } from '../../route.ts';
import { floatNumber, wallClockText } from './contractValues.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { contractRoute } from './iconsRoute.ts';

type StatsDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment'>;

const Stats = z
  .object({
    total_generated: z.int(),
    total_failed: z.int(),
    total_batches: z.int(),
    average_generation_time: z.number().meta({ description: 'Seconds' }),
    last_generation: z.string().nullable().meta({ example: '2026-01-05T09:30:12', description: 'In UTC' }),
    active_batches: z.int(),
    total_active_jobs: z.int().meta({ description: 'Batches that are still kept' }),
    cached_icons: z.int(),
    categories_covered: z.int(),
    cache_size: z.int().meta({ description: 'Stored icons' }),
    success_rate: z.number().meta({ example: 92.3, description: 'Of 100; 0 before the first icon' }),
  })
  .meta({ id: 'IconStats' });

/** `GET /api/icons/stats`: of everybody, since the beginning. */
export function statsRoute(dependencies: StatsDependencies): Route {
  return {
    ...contractRoute(dependencies.environment),
    method: 'get',
    path: '/api/icons/stats',
    documentation: {
      summary: 'What was generated so far',
      tags: ['Icons'],
      responses: {
        200: { description: 'The counts', content: { 'application/json': { schema: Stats } } },
      },
    },
    handle: (_request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', answerStats(dependencies, response)),
  };
}

async function answerStats({ connection }: StatsDependencies, response: Response): Promise<void> {
  const stats = await readStats(connection);
  const { total_generated, total_failed, total_batches, last_generation, cached_icons } = stats;
  const ended = total_generated + total_failed;
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    total_generated,
    total_failed,
    total_batches,
    average_generation_time: floatNumber(
      ratio(stats.generation_milliseconds_sum / 1_000, total_generated),
      2,
    ),
    last_generation: last_generation === null ? null : wallClockText(last_generation),
    active_batches: stats.active_batches,
    total_active_jobs: stats.kept_batches,
    cached_icons,
    categories_covered: stats.categories_covered,
    cache_size: cached_icons,
    success_rate: floatNumber(ratio(total_generated * 100, ended), 1),
  });
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
