import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Project } from '../../../domain/workspace/project.ts';
import { findProjectPage, type ProjectPosition } from '../../../models/workspaceReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError, badRequestFrom } from '../../errors.ts';
import { nextPage } from '../../nextPage.ts';
import type { Route } from '../../route.ts';
import { instantText, UserId } from '../credits/creditFields.ts';
import type { WorkspaceRouteDependencies } from './dependencies.ts';

const PageQuery = z.object({
  user_id: UserId,
  app: z.string().min(1).optional().meta({ description: 'Only projects of this app' }),
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const ListedProject = z
  .object({
    code: z.string().meta({ example: 'QW12ER' }),
    title: z.string(),
    app_source: z.string(),
    project_type: z.string(),
    size_bytes: z.int(),
    word_count: z.int(),
    metadata: z.record(z.string(), z.unknown()),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'ListedProject' });

const ProjectPage = z
  .object({
    user_id: z.string(),
    projects: z.array(ListedProject).meta({ description: 'Newest first, without contents' }),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'ProjectPage' });

/** `GET /api/unified/workspace/projects`: the list in pages, without contents. */
export function projectPagesRoute(dependencies: WorkspaceRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/workspace/projects',
    access: 'workspace:read',
    aboutUser: 'query',
    errors: 'problem',
    cors: 'configured',
    documentation: {
      summary: 'Projects of a user in pages, without contents',
      description:
        'Pages do not shift when projects are saved or deleted meanwhile. An unknown user has none.',
      tags: ['Workspace'],
      requestParams: { query: PageQuery },
      responses: {
        200: { description: 'A page', content: { 'application/json': { schema: ProjectPage } } },
        400: { description: 'A parameter that cannot be taken' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', projectPage(dependencies, request, response)),
  };
}

async function projectPage(
  { connection }: WorkspaceRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const parsed = PageQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { user_id, app: app_source, cursor, limit } = parsed.data;
  const after = cursor === undefined ? undefined : decodePosition(cursor);
  const { projects, next } = await findProjectPage(connection, { user_id, app_source, after, limit });
  const nextCursor = next ? encodePosition(next) : null;
  if (nextCursor !== null) response.setHeader('Link', `<${nextPage(request, nextCursor)}>; rel="next"`);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, { user_id, projects: projects.map(listed), next_cursor: nextCursor });
}

function listed(project: Project): z.infer<typeof ListedProject> {
  return {
    code: project.code,
    title: project.title,
    app_source: project.app_source,
    project_type: project.project_type,
    size_bytes: project.size_bytes,
    word_count: project.word_count,
    metadata: { ...project.metadata },
    created_at: instantText(project.created_at),
    updated_at: instantText(project.updated_at),
  };
}

function encodePosition({ updated_at, number }: ProjectPosition): string {
  return Buffer.from(`${updated_at}:${number}`).toString('base64url');
}

function decodePosition(cursor: string): ProjectPosition {
  const match = /^(\d{1,15}):(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (!match) throw new BadRequestError('cursor is not one that was given out');
  return { updated_at: Number(match[1]), number: Number(match[2]) };
}
