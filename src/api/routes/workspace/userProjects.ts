import type { Request, Response } from 'express';
import { z } from 'zod';
import { readProjects } from '../../../models/workspaceReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { Route } from '../../route.ts';
import { success } from '../credits/contractAnswers.ts';
import { queriedText, queriedUserId } from '../credits/contractFields.ts';
import { UserId } from '../credits/creditFields.ts';
import type { WorkspaceRouteDependencies } from './dependencies.ts';
import { ProjectView, projectView } from './projectView.ts';

const UserProjects = z
  .object({
    success: z.literal(true),
    projects: z.array(ProjectView).meta({ description: 'Newest first' }),
    total_projects: z.int(),
    user_id: z.string(),
  })
  .meta({ id: 'UserProjects' });

/** `GET /api/unified/user-projects`: everything that a user saved, contents included. */
export function userProjectsRoute(dependencies: WorkspaceRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/user-projects',
    access: 'workspace:read',
    aboutUser: 'query',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'All projects of a user with their contents',
      description: 'An unknown user or app has none.',
      tags: ['Workspace'],
      requestParams: { query: z.object({ user_id: UserId, app_filter: z.string().optional() }) },
      responses: {
        200: { description: 'The projects', content: { 'application/json': { schema: UserProjects } } },
        401: { description: 'The API key is missing or wrong, or `user_id` is missing' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', userProjects(dependencies, request, response)),
  };
}

async function userProjects(
  { connection }: WorkspaceRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const userId = queriedUserId(request);
  const { projects } = await readProjects(connection, userId, queriedText(request, 'app_filter'));
  response.setHeader('Cache-Control', 'no-store');
  answerJson(
    response,
    200,
    success({ projects: projects.map(projectView), total_projects: projects.length, user_id: userId }),
  );
}
