import type { Request, Response } from 'express';
import { z } from 'zod';
import { STORAGE_LIMIT_BYTES } from '../../../domain/workspace/storage.ts';
import type { Reply } from '../../../models/idempotency.ts';
import type { WorkspaceOutcome } from '../../../models/workspaceBook.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { badRequestFrom, NotFoundError } from '../../errors.ts';
import { answerOnce, onceOf, refusalReply } from '../../idempotency.ts';
import type { Route } from '../../route.ts';
import { KeyHeader, UserId } from '../credits/creditFields.ts';
import type { WorkspaceRouteDependencies } from './dependencies.ts';

const OwnerQuery = z.object({ user_id: UserId });

const Deleted = z
  .object({
    code: z.string(),
    freed_bytes: z.int(),
    storage: z.object({ used_bytes: z.int(), limit_bytes: z.int(), projects: z.int() }),
  })
  .meta({ id: 'ProjectDeleted' });

/** `DELETE /api/unified/workspace/projects/{code}`: for good; its bytes can be used again. */
export function deleteProjectRoute(dependencies: WorkspaceRouteDependencies): Route {
  return {
    method: 'delete',
    path: '/api/unified/workspace/projects/:code',
    access: 'workspace:write',
    aboutUser: 'query',
    errors: 'problem',
    cors: 'configured',
    documentation: {
      summary: 'Delete a project for good and give its bytes back',
      description: 'Of several requests at once one deletes it; to the others it is gone.',
      tags: ['Workspace'],
      requestParams: {
        header: KeyHeader,
        path: z.object({ code: z.string().meta({ example: 'QW12ER' }) }),
        query: OwnerQuery,
      },
      responses: {
        200: { description: 'Deleted', content: { 'application/json': { schema: Deleted } } },
        400: { description: 'A parameter or the Idempotency-Key is not valid' },
        404: { description: 'The user has no such project' },
        422: { description: 'The Idempotency-Key was used before with another request' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', remove(dependencies, request, response)),
  };
}

async function remove(
  { writer }: WorkspaceRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const parsed = OwnerQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { user_id } = parsed.data;
  const answer = await writer.write({
    command: { kind: 'delete', user_id, code: String(request.params['code']) },
    reply: (outcome) => replyTo(outcome, request),
    once: onceOf(request, { user_id }),
  });
  answerOnce(request, response, answer);
}

function replyTo(outcome: WorkspaceOutcome, request: Request): Reply {
  if (outcome.kind === 'refused') {
    return refusalReply(new NotFoundError('The user has no such project'), request);
  }
  const { project, space } = outcome;
  const deleted: z.infer<typeof Deleted> = {
    code: project.code,
    freed_bytes: project.size_bytes,
    storage: {
      used_bytes: space.used_bytes,
      limit_bytes: STORAGE_LIMIT_BYTES,
      projects: space.projects,
    },
  };
  return { status: 200, body: JSON.stringify(deleted) };
}
