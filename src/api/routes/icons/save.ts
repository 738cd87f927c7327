import type { Request, Response } from 'express';
import type { Connection } from 'mongoose';
import { z } from 'zod';
import { type Caller, mayUse } from '../../../domain/accounts/caller.ts';
import { categoryTitle } from '../../../domain/icons/categories.ts';
import type { StoredIcon } from '../../../domain/icons/storedIcon.ts';
import { findFile } from '../../../models/iconFiles.ts';
import type { OnceAnswer, Reply } from '../../../models/idempotency.ts';
import type { WorkspaceOutcome, WorkspaceRefusal } from '../../../models/workspaceBook.ts';
import type { WorkspaceWrite } from '../../../models/workspaceWriter.ts';
import type { ObjectStorage } from '../../../platforms/storage/objectStorage.ts';
import { parseJsonObject } from '../../body/json.ts';
import { readBody } from '../../body/readBody.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError, badRequestFrom, ConflictError, HttpError, NotFoundError } from '../../errors.ts';
import { answerOnce, onceOf, refusalReply } from '../../idempotency.ts';
import type { Route } from '../../route.ts';
import { KeyHeader, UserId } from '../credits/creditFields.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { imageUrl } from './imageUrl.ts';

type SaveDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment' | 'storage' | 'workspace'>;

const BODY_LIMIT_BYTES = 16_384;
/** An address of ours, of any host and below any path: behind a proxy the process does not know its own. */
const IMAGE_ADDRESS = /^(?:https?:\/\/[^/?#]+)?(?:\/[^?#]*)?\/api\/images\/([^/?#]+\/[^/?#]+)$/;

const SaveBody = z
  .object({
    image_url: z.string().max(2_048).meta({
      description: 'As an answer gave it',
      example: '/api/images/tools/tools_20260105_093000_9f8e7d6c.png',
    }),
    title: z.string().trim().min(1).max(200).optional().meta({ description: 'The category, unless given' }),
    user_id: UserId.optional().meta({
      description: 'Whose workspace it is. An account saves into its own; a key has to name one',
    }),
  })
  .meta({ id: 'SaveIcon' });

const Saved = z
  .object({
    project_code: z.string().meta({ example: 'IMG_7K2Q9Z' }),
    title: z.string(),
    user_id: UserId,
    image_url: z.string(),
  })
  .meta({ id: 'IconSaved' });

/** Somebody asks for a workspace that is not theirs, or has none. */
class NoWorkspaceError extends HttpError {
  override name = 'NoWorkspaceError';
  readonly status = 403;
}

/** `POST /api/icons/save`: a stored icon becomes a project of a workspace, by its address, and is never cleared. */
export function saveRoute(dependencies: SaveDependencies): Route {
  return {
    method: 'post',
    path: '/api/icons/save',
    access: 'icons',
    errors: 'problem',
    cors: 'configured',
    documentation: {
      summary: 'Save an icon to the workspace',
      description:
        'Makes a project that holds the address of the icon, not its bytes. Clearing the cache spares the icon from then on. Every request makes a project; with an `Idempotency-Key` a repeat makes none.',
      tags: ['Icons'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: SaveBody } } },
      responses: {
        201: { description: 'Saved', content: { 'application/json': { schema: Saved } } },
        400: { description: 'A field is missing or cannot be taken' },
        403: { description: 'The caller has no such workspace' },
        404: { description: 'No such icon, or no such user' },
        409: { description: 'The workspace has no room' },
      },
    },
    handle: (request, response) => save(dependencies, request, response),
  };
}

async function save(dependencies: SaveDependencies, request: Request, response: Response): Promise<void> {
  const sent = parseJsonObject(await readBody(request, BODY_LIMIT_BYTES));
  const body = SaveBody.safeParse(sent);
  if (!body.success) throw badRequestFrom(body.error, 'body');
  const user_id = workspaceOf(request.context.caller, body.data.user_id);
  const path = pathOf(body.data.image_url);
  const address = imageUrl(dependencies.environment, path);
  const once = onceOf(request, sent);
  const saving = saveStored(dependencies, user_id, path, (icon) => ({
    command: { kind: 'save', project: projectOf(icon, user_id, address, body.data.title), icon: path },
    reply: (outcome) => replyTo(outcome, address, request),
    once,
  }));
  answerOnce(request, response, await withinDeadline(ANSWER_MILLISECONDS, 'What is stored', saving));
}

/** The time until the write counts too: it is not begun when the client is about to be told to come back. */
async function saveStored(
  { connection, storage, workspace }: SaveDependencies,
  userId: string,
  path: string,
  writeOf: (icon: StoredIcon) => WorkspaceWrite,
): Promise<OnceAnswer> {
  const since = performance.now();
  const icon = await findStored(connection, storage, path);
  if (!icon) throw new NotFoundError('Image not found');
  await workspace.firstContact(userId);
  return workspace.writer.write(writeOf(icon), since);
}

/** The file only has to be there once: a clearing deletes the record first, and then nothing is saved. */
async function findStored(
  connection: Connection,
  storage: ObjectStorage,
  path: string,
): Promise<StoredIcon | undefined> {
  const icon = await findFile(connection, path);
  return icon && (await storage.stat(path)) ? icon : undefined;
}

function workspaceOf(caller: Caller | undefined, named: string | undefined): string {
  if (caller?.kind === 'account' && !caller.any_user) {
    const own = caller.credits_user_id;
    if (own === undefined) throw new NoWorkspaceError('This account has no workspace');
    if (named !== undefined && named !== own) {
      throw new NoWorkspaceError('An account saves into its own workspace only');
    }
    return own;
  }
  const own = caller?.kind === 'account' ? caller.credits_user_id : undefined;
  const user = named ?? own;
  if (user === undefined) throw new BadRequestError('user_id has to say whose workspace it is');
  if (!caller || !mayUse(caller, 'workspace:write')) {
    throw new NoWorkspaceError('This needs the scope workspace:write, which the credential does not hold');
  }
  return user;
}

function pathOf(address: string): string {
  const path = IMAGE_ADDRESS.exec(address)?.[1];
  if (path === undefined)
    throw new BadRequestError('image_url has to be the address of an icon, /api/images/…');
  return path;
}

function projectOf({ metadata, path }: StoredIcon, user_id: string, address: string, title?: string) {
  return {
    user_id,
    app_source: 'icons',
    project_type: 'icon',
    title: title ?? categoryTitle(metadata.category),
    content: address,
    metadata: { ...metadata, path },
  };
}

function replyTo(outcome: WorkspaceOutcome, address: string, request: Request): Reply {
  if (outcome.kind === 'refused') return refusalReply(refusalOf(outcome.reason), request);
  const { code, title, user_id } = outcome.project;
  const saved: z.infer<typeof Saved> = { project_code: code, title, user_id, image_url: address };
  return { status: 201, body: JSON.stringify(saved) };
}

function refusalOf(reason: WorkspaceRefusal): HttpError {
  switch (reason) {
    case 'unknown-user':
      return new NotFoundError('User not found');
    case 'unknown-icon':
      // Cleared since it was found.
      return new NotFoundError('Image not found');
    case 'storage-exceeded':
    case 'too-many-projects':
      return new ConflictError('The workspace has no room for it; delete projects first');
    case 'unknown-project':
      throw new Error('A save names no project');
  }
}
