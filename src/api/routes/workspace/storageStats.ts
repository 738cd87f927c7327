import type { Request, Response } from 'express';
import { z } from 'zod';
import { megabytes, storageFigures } from '../../../domain/workspace/storage.ts';
import { readSpaceByApp } from '../../../models/workspaceReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { Route } from '../../route.ts';
import { success, Timestamp, timestampText } from '../credits/contractAnswers.ts';
import { queriedUserId } from '../credits/contractFields.ts';
import { UserId } from '../credits/creditFields.ts';
import type { WorkspaceRouteDependencies } from './dependencies.ts';
import { Storage } from './storageView.ts';

const StorageStats = z
  .object({
    success: z.literal(true),
    storage_stats: Storage,
    breakdown: z.object({
      penora_mb: z.number(),
      imagegene_mb: z.number(),
      total_projects: z.int(),
      penora_projects: z.int(),
      imagegene_projects: z.int(),
    }),
    timestamp: Timestamp,
  })
  .meta({ id: 'StorageStats' });

/** `GET /api/unified/storage-stats`: sizes and counts, without loading a content. */
export function storageStatsRoute(dependencies: WorkspaceRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/storage-stats',
    access: 'workspace:read',
    aboutUser: 'query',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'Storage of a user, over all and by app',
      tags: ['Workspace'],
      requestParams: { query: z.object({ user_id: UserId }) },
      responses: {
        200: { description: 'The figures', content: { 'application/json': { schema: StorageStats } } },
        401: { description: 'The API key is missing or wrong, or `user_id` is missing' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', storageStats(dependencies, request, response)),
  };
}

async function storageStats(
  { connection }: WorkspaceRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const userId = queriedUserId(request);
  const { space, byApp } = await readSpaceByApp(connection, userId, ['penora', 'imagegene']);
  const penora = byApp.get('penora');
  const imagegene = byApp.get('imagegene');
  response.setHeader('Cache-Control', 'no-store');
  answerJson(
    response,
    200,
    success({
      storage_stats: storageFigures(space.used_bytes),
      breakdown: {
        penora_mb: megabytes(penora?.size_bytes ?? 0),
        imagegene_mb: megabytes(imagegene?.size_bytes ?? 0),
        total_projects: space.projects,
        penora_projects: penora?.projects ?? 0,
        imagegene_projects: imagegene?.projects ?? 0,
      },
      timestamp: timestampText(),
    }),
  );
}
