import type { Request, Response } from 'express';
import { z } from 'zod';
import { storageFigures } from '../../../domain/workspace/storage.ts';
import { readProjects } from '../../../models/workspaceReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { Route } from '../../route.ts';
import { success, Timestamp, timestampText } from '../credits/contractAnswers.ts';
import { queriedText, queriedUserId } from '../credits/contractFields.ts';
import { UserId } from '../credits/creditFields.ts';
import type { WorkspaceRouteDependencies } from './dependencies.ts';
import { ProjectView, projectView } from './projectView.ts';
import { Storage } from './storageView.ts';

const Projects = z
  .object({
    success: z.literal(true),
    all_projects: z.array(ProjectView).meta({ description: 'Newest first' }),
    penora_projects: z.array(ProjectView),
    imagegene_projects: z.array(ProjectView),
    total_count: z.int(),
    penora_count: z.int(),
    imagegene_count: z.int(),
    storage_stats: Storage,
    timestamp: Timestamp,
  })
  .meta({ id: 'ProjectsByApp' });

/** `GET /api/unified/projects`: the older form of the list, sorted into its two apps. */
export function projectsRoute(dependencies: WorkspaceRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/projects',
    access: 'workspace:read',
    aboutUser: 'query',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'All projects of a user with their contents, by app',
      description: 'With `app` every list and count is of that app; the storage is of all.',
      tags: ['Workspace'],
      requestParams: { query: z.object({ user_id: UserId, app: z.string().optional() }) },
      responses: {
        200: { description: 'The projects', content: { 'application/json': { schema: Projects } } },
        401: { description: 'The API key is missing or wrong, or `user_id` is missing' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', projectsByApp(dependencies, request, response)),
  };
}

async function projectsByApp(
  { connection }: WorkspaceRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const userId = queriedUserId(request);
  const { projects, space } = await readProjects(connection, userId, queriedText(request, 'app'));
  const all = projects.map(projectView);
  const penora = all.filter(({ app_source }) => app_source === 'penora');
  const imagegene = all.filter(({ app_source }) => app_source === 'imagegene');
  response.setHeader('Cache-Control', 'no-store');
  answerJson(
    response,
    200,
    success({
      all_projects: all,
      penora_projects: penora,
      imagegene_projects: imagegene,
      total_count: all.length,
      penora_count: penora.length,
      imagegene_count: imagegene.length,
      storage_stats: storageFigures(space.used_bytes),
      timestamp: timestampText(),
    }),
  );
}
