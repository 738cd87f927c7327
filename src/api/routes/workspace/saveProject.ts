import type { Request, Response } from 'express';
import { z } from 'zod';
import type { NewProject } from '../../../domain/workspace/project.ts';
import { megabytes, STORAGE_LIMIT_BYTES } from '../../../domain/workspace/storage.ts';
import type { Reply } from '../../../models/idempotency.ts';
import type { WorkspaceOutcome, WorkspaceRefusal } from '../../../models/workspaceBook.ts';
import { isRecord } from '../../body/json.ts';
import type { Fields } from '../../body/readFields.ts';
import { BadRequestError, type HttpError, NotFoundError } from '../../errors.ts';
import { answerOnce, onceOf, refusalReply } from '../../idempotency.ts';
import type { Route } from '../../route.ts';
import {
  answerToBody,
  type SentBody,
  successReply,
  Timestamp,
  timestampText,
} from '../credits/contractAnswers.ts';
import { isAbsent, longTextField, nameField, requireFields, textField } from '../credits/contractFields.ts';
import { KeyHeader, UserId, WRITE_REFUSALS } from '../credits/creditFields.ts';
import type { WorkspaceRouteDependencies } from './dependencies.ts';

/** Far above the storage limit, so that a content that is too large is told so. */
const BODY_LIMIT_BYTES = 8 * 1_048_576;
const METADATA_LIMIT_BYTES = 65_536;

const SaveBody = z
  .object({
    user_id: UserId,
    app_source: z.string().meta({ example: 'imagegene' }),
    project_type: z.string().meta({ example: 'image' }),
    title: z.string(),
    content: z.string().meta({ description: 'A text, an image in base64, or an address' }),
    metadata: z.record(z.string(), z.unknown()).default({}),
  })
  .meta({ id: 'SaveProject' });

const Saved = z
  .object({
    success: z.literal(true),
    project_code: z.string().meta({ example: 'IMG_7K2Q9Z' }),
    title: z.string(),
    size_mb: z.number(),
    storage_remaining_mb: z.number(),
    app_source: z.string(),
    timestamp: Timestamp,
  })
  .meta({ id: 'ProjectSaved' });

/** `POST /api/unified/save-project`: always a new project. */
export function saveProjectRoute(dependencies: WorkspaceRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/unified/save-project',
    access: 'workspace:write',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'Save a project',
      description:
        'Its size is that of the content in UTF-8. A user has 1,048,576 bytes over all apps, and at most 10,000 projects.',
      tags: ['Workspace'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: SaveBody } } },
      responses: {
        200: { description: 'Saved', content: { 'application/json': { schema: Saved } } },
        ...WRITE_REFUSALS,
        400: { description: 'A field is missing or cannot be taken, or there is no room for the content' },
        404: { description: 'No such user' },
      },
    },
    handle: (request, response) =>
      answerToBody(request, (body) => save(dependencies, body, request, response), BODY_LIMIT_BYTES),
  };
}

async function save(
  { writer, firstContact }: WorkspaceRouteDependencies,
  { sent, since }: SentBody,
  request: Request,
  response: Response,
): Promise<void> {
  const project = readProject(sent);
  await firstContact(project.user_id);
  const write = {
    command: { kind: 'save', project },
    reply: (outcome: WorkspaceOutcome) => replyTo(outcome, request),
    once: onceOf(request, sent),
  } as const;
  answerOnce(request, response, await writer.write(write, since));
}

function readProject(sent: Fields): NewProject {
  requireFields(sent, ['user_id', 'app_source', 'project_type', 'title', 'content']);
  return {
    user_id: nameField(sent, 'user_id'),
    app_source: nameField(sent, 'app_source'),
    project_type: nameField(sent, 'project_type'),
    title: textField(sent, 'title'),
    content: longTextField(sent, 'content'),
    metadata: isAbsent(sent, 'metadata') ? {} : readMetadata(sent['metadata']),
  };
}

function readMetadata(value: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new BadRequestError('metadata must be an object');
  if (Buffer.byteLength(JSON.stringify(value)) > METADATA_LIMIT_BYTES) {
    throw new BadRequestError(`metadata must be at most ${METADATA_LIMIT_BYTES} bytes of JSON`);
  }
  return value;
}

function replyTo(outcome: WorkspaceOutcome, request: Request): Reply {
  if (outcome.kind === 'refused') return refusalReply(refusalOf(outcome.reason), request);
  const { project, space } = outcome;
  return successReply({
    project_code: project.code,
    title: project.title,
    size_mb: megabytes(project.size_bytes),
    storage_remaining_mb: megabytes(STORAGE_LIMIT_BYTES - space.used_bytes),
    app_source: project.app_source,
    timestamp: timestampText(),
  });
}

function refusalOf(reason: WorkspaceRefusal): HttpError {
  switch (reason) {
    case 'unknown-user':
      return new NotFoundError('User not found');
    case 'storage-exceeded':
      return new BadRequestError('Storage limit exceeded. Maximum 1MB allowed.');
    case 'too-many-projects':
      return new BadRequestError('Too many projects, or too long titles and metadata. Delete some first.');
    case 'unknown-project':
    case 'unknown-icon':
      throw new Error('A save of a project names neither a project nor an icon');
  }
}
