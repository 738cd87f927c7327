import type { Request, Response } from 'express';
import type { ClientSession } from 'mongoose';
import { z } from 'zod';
import { STORAGE_LIMIT_BYTES } from '../../../domain/workspace/storage.ts';
import { runOnce } from '../../../models/idempotency.ts';
import type { Reply } from '../../../models/ledger.ts';
import { inTransaction } from '../../../models/transaction.ts';
import { deleteProject } from '../../../models/workspaceWrites.ts';
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
  { connection }: WorkspaceRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const parsed = OwnerQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { user_id } = parsed.data;
  const code = String(request.params['code']);
  const steps = async (session: ClientSession): Promise<Reply> => {
    const done = await deleteProject(connection, user_id, code, session);
    if (!done) return refusalReply(new NotFoundError('The user has no such project'), request);
    const { used_bytes, projects } = done.space;
    return {
      status: 200,
      body: JSON.stringify({
        code,
        freed_bytes: done.project.size_bytes,
        storage: { used_bytes, limit_bytes: STORAGE_LIMIT_BYTES, projects },
      }),
    };
  };
  const once = onceOf(request, { user_id });
  const answer = once
    ? await runOnce(connection, once, steps)
    : ({ kind: 'first', reply: await inTransaction(connection, steps) } as const);
  answerOnce(request, response, answer);
}
