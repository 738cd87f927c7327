import type { Request, Response } from 'express';
import { z } from 'zod';
import type { StoredIcon } from '../../../domain/icons/storedIcon.ts';
import { listFiles } from '../../../models/iconFiles.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { imageUrl } from './imageUrl.ts';

export type CacheDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment' | 'storage'>;

/** The contract knows no pages; the newest are shown. Each costs the process a few microseconds in which it answers nobody else. */
const MOST_LISTED = 1_000;

const CachedIcon = z
  .object({
    filename: z.string().meta({ example: 'tools_20260105_093000_9f8e7d6c.png' }),
    category: z.string().meta({ example: 'Tools' }),
    path: z.string(),
    size: z.int().meta({ description: 'Bytes' }),
    created: z.string().meta({ example: '2026-01-05T09:30:00', description: 'In UTC' }),
    url: z.string(),
    id: z.string().meta({ example: '9f8e7d6c' }),
    image_url: z.string(),
    local_path: z.string(),
    created_at: z.iso.datetime(),
    generation_time: z.number().nullable().meta({ description: 'Seconds' }),
    metadata: z.object({
      style: z.string(),
      color_scheme: z.string(),
      category: z.string(),
      model: z.string(),
    }),
  })
  .meta({ id: 'CachedIcon' });

/** `GET /api/icons/cached`: the icons that are stored, newest first. */
export function cachedRoute(dependencies: CacheDependencies): Route {
  return {
    method: 'get',
    path: '/api/icons/cached',
    access: dependencies.environment.ICONS_OPEN_MODE ? 'open' : 'icons',
    errors: 'icons',
    cors: 'configured',
    documentation: {
      summary: 'Stored icons',
      description: `Newest first, at most ${MOST_LISTED}. An unknown category has none.`,
      tags: ['Icons'],
      requestParams: {
        query: z.object({ category: z.string().optional().meta({ example: 'garden tools' }) }),
      },
      responses: {
        200: {
          description: 'The icons',
          content: { 'application/json': { schema: z.array(CachedIcon) } },
        },
      },
    },
    handle: (request, response) => listCached(dependencies, request, response),
  };
}

async function listCached(
  dependencies: CacheDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { category } = request.query;
  if (category !== undefined && typeof category !== 'string') {
    throw new BadRequestError('category must be given once');
  }
  const listing = listFiles(dependencies.connection, categoryNamed(category), MOST_LISTED);
  const icons = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', listing);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(
    response,
    200,
    icons.map((icon) => shown(icon, dependencies)),
  );
}

/** Nothing for a blank one, which means all. */
export function categoryNamed(sent: string | undefined): string | undefined {
  return sent?.trim() === '' ? undefined : sent;
}

function shown(
  { path, folder, size, created_at, id, generation_milliseconds, metadata }: StoredIcon,
  { environment, storage }: CacheDependencies,
): z.infer<typeof CachedIcon> {
  const url = imageUrl(environment, path);
  const location = storage.locationOf(path);
  const created = new Date(created_at).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  return {
    filename: path.slice(path.lastIndexOf('/') + 1),
    category: titleOf(folder),
    path: location,
    size,
    created,
    url,
    id,
    image_url: url,
    local_path: location,
    created_at: `${created}Z`,
    generation_time: generation_milliseconds === null ? null : generation_milliseconds / 1000,
    metadata: { ...metadata },
  };
}

/** `garden_tools` is shown as `Garden Tools`. */
function titleOf(folder: string): string {
  return folder
    .split('_')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join(' ');
}
