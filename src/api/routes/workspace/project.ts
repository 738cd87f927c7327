import type { Request, Response } from 'express';
import { z } from 'zod';
import { findProject } from '../../../models/workspaceReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { success, Timestamp, timestampText } from '../credits/contractAnswers.ts';
import { queriedUserId } from '../credits/contractFields.ts';
import { UserId } from '../credits/creditFields.ts';
import type { WorkspaceRouteDependencies } from './dependencies.ts';
import { ProjectView, projectView } from './projectView.ts';

const OneProject = z
  .object({ success: z.literal(true), project: ProjectView, timestamp: Timestamp })
  .meta({ id: 'OneProject' });

/** `GET /api/unified/project/{code}`: one project of the user's own. */
export function projectRoute(dependencies: WorkspaceRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/project/:code',
    access: 'workspace:read',
    aboutUser: 'query',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'One project of a user',
      tags: ['Workspace'],
      requestParams: {
        path: z.object({ code: z.string().meta({ example: 'QW12ER' }) }),
        query: z.object({ user_id: UserId }),
      },
      responses: {
        200: { description: 'The project', content: { 'application/json': { schema: OneProject } } },
        401: { description: 'The API key is missing or wrong, or `user_id` is missing' },
        404: { description: 'The user has no such project' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', oneProject(dependencies, request, response)),
  };
}

async function oneProject(
  { connection }: WorkspaceRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const userId = queriedUserId(request);
  const project = await findProject(connection, userId, String(request.params['code']));
  if (!project) throw new NotFoundError('Project not found');
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, success({ project: projectView(project), timestamp: timestampText() }));
}
