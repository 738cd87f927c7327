import type { Request, Response } from 'express';
import type { Connection } from 'mongoose';
import { z } from 'zod';
import {
  API_KEY_STATUSES,
  type ApiKey,
  HIGHEST_RATE_LIMIT,
  LONGEST_API_KEY_NAME,
  LONGEST_ROTATION_GRACE_SECONDS,
  MOST_PREVIOUS_KEYS,
  ROTATION_GRACE_SECONDS,
} from '../../domain/accounts/apiKey.ts';
import { callerId } from '../../domain/accounts/caller.ts';
import { SCOPES } from '../../domain/accounts/scopes.ts';
import {
  createApiKey,
  findApiKey,
  type IssuedApiKey,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
  TooManyPreviousKeysError,
} from '../../models/apiKeys.ts';
import { answerJson } from '../answer.ts';
import { parseJsonObject } from '../body/json.ts';
import { readBody } from '../body/readBody.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../deadline.ts';
import { BadRequestError, badRequestFrom, ConflictError, NotFoundError } from '../errors.ts';
import type { Route } from '../route.ts';
import { decodeTimeCursor, encodeTimeCursor } from '../timeCursor.ts';

const BODY_LIMIT_BYTES = 64 * 1_024;
const NO_SUCH_KEY = 'There is no such API key';

const NewKey = z
  .object({
    name: z.string().trim().min(1).max(LONGEST_API_KEY_NAME),
    scopes: z.array(z.enum(SCOPES)).min(1),
    expires_at: z.iso.datetime({ offset: true }).optional().meta({ description: 'By default never' }),
    rate_limit_per_minute: z.int().min(1).max(HIGHEST_RATE_LIMIT).optional().meta({
      description: 'In place of the configured limits, on every endpoint; a batch counts by its events',
    }),
  })
  .strict();

const Rotation = z
  .object({
    grace_seconds: z.int().min(0).max(LONGEST_ROTATION_GRACE_SECONDS).default(ROTATION_GRACE_SECONDS).meta({
      description:
        'How long the secret until now goes on working; those from rotations before work until their own ends. 0 ends all of them now',
    }),
  })
  .strict();

const KeysQuery = z.object({
  status: z.enum(API_KEY_STATUSES).optional(),
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

const Instant = z.iso.datetime().nullable();

const KeyView = z
  .object({
    key_id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    status: z.enum(API_KEY_STATUSES),
    rate_limit_per_minute: z.int().nullable(),
    created_by: z.string(),
    created_at: z.iso.datetime(),
    expires_at: Instant,
    rotated_at: Instant,
    previous_secret_until: Instant,
    revoked_at: Instant,
    last_used_at: Instant.meta({ description: 'Exact to a minute' }),
  })
  .meta({ id: 'ApiKey' });

const IssuedView = KeyView.extend({
  key: z.string().meta({ description: 'Shown this once', example: 'mrk_0123456789abcdef_…' }),
}).meta({ id: 'IssuedApiKey' });

const KeysPage = z
  .object({ keys: z.array(KeyView), next_cursor: z.string().nullable() })
  .meta({ id: 'ApiKeys' });

const KeyPath = z.object({ key_id: z.string().meta({ example: '0123456789abcdef' }) });
const json = <Schema extends z.ZodType>(schema: Schema) => ({ 'application/json': { schema } });

/** Administration of API keys. */
export function apiKeyRoutes(connection: Connection): readonly Route[] {
  const common = { access: 'administration', errors: 'problem' } as const;
  const inTime = (work: Promise<void>) => withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', work);
  return [
    {
      ...common,
      method: 'post',
      path: '/api/keys',
      audit: 'api-key.create',
      documentation: {
        summary: 'Make an API key',
        description: 'The key is in this answer and nowhere else: only a hash of it is kept.',
        tags: ['API keys'],
        requestBody: { content: json(NewKey) },
        responses: {
          201: { description: 'Made', content: json(IssuedView) },
          400: { description: 'A field is missing or cannot be taken' },
        },
      },
      async handle(request, response) {
        const wanted = await readJson(request, NewKey);
        await inTime(create(connection, wanted, request, response));
      },
    },
    {
      ...common,
      method: 'get',
      path: '/api/keys',
      documentation: {
        summary: 'API keys, newest first',
        tags: ['API keys'],
        requestParams: { query: KeysQuery },
        responses: { 200: { description: 'A page', content: json(KeysPage) } },
      },
      handle: (request, response) => inTime(list(connection, request, response)),
    },
    {
      ...common,
      method: 'get',
      path: '/api/keys/:key_id',
      documentation: {
        summary: 'One API key',
        tags: ['API keys'],
        requestParams: { path: KeyPath },
        responses: {
          200: { description: 'The key, without its secret', content: json(KeyView) },
          404: { description: NO_SUCH_KEY },
        },
      },
      handle: (request, response) => inTime(show(connection, request, response)),
    },
    {
      ...common,
      method: 'post',
      path: '/api/keys/:key_id/rotate',
      audit: 'api-key.rotate',
      documentation: {
        summary: 'Give an API key another secret',
        description: `The id, the scopes and the limits stay. The secret until now works on for the grace, and no rotation ends an earlier one sooner than was promised, unless its grace is 0. At most ${MOST_PREVIOUS_KEYS} work beside the newest.`,
        tags: ['API keys'],
        requestParams: { path: KeyPath },
        requestBody: { required: false, content: json(Rotation) },
        responses: {
          200: { description: 'Rotated', content: json(IssuedView) },
          404: { description: NO_SUCH_KEY },
          409: { description: 'The key is revoked, or too many of its earlier secrets still work' },
        },
      },
      async handle(request, response) {
        const { grace_seconds } = await readJson(request, Rotation);
        await inTime(rotate(connection, grace_seconds, request, response));
      },
    },
    {
      ...common,
      method: 'post',
      path: '/api/keys/:key_id/revoke',
      audit: 'api-key.revoke',
      documentation: {
        summary: 'End an API key for ever',
        description: 'Every process refuses it within about a second. Revoking it again changes nothing.',
        tags: ['API keys'],
        requestParams: { path: KeyPath },
        responses: {
          200: { description: 'The revoked key', content: json(KeyView) },
          404: { description: NO_SUCH_KEY },
        },
      },
      handle: (request, response) => inTime(revoke(connection, request, response)),
    },
  ];
}

async function create(
  connection: Connection,
  wanted: z.infer<typeof NewKey>,
  request: Request,
  response: Response,
): Promise<void> {
  const { caller } = request.context;
  if (!caller) throw new Error('A key needs somebody who makes it');
  const expiresAt = wanted.expires_at === undefined ? null : new Date(wanted.expires_at);
  if (expiresAt && expiresAt.getTime() <= Date.now())
    throw new BadRequestError('expires_at has passed already');
  const issued = await createApiKey(connection, {
    name: wanted.name,
    scopes: [...new Set(wanted.scopes)],
    expires_at: expiresAt,
    rate_limit_per_minute: wanted.rate_limit_per_minute ?? null,
    created_by: callerId(caller),
  });
  request.context.audit = { target: issued.apiKey.key_id };
  answerIssued(response, 201, issued);
}

async function list(connection: Connection, request: Request, response: Response): Promise<void> {
  const parsed = KeysQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { status, cursor, limit } = parsed.data;
  const before = cursor === undefined ? undefined : decodeTimeCursor(cursor);
  const keys = await listApiKeys(connection, { status, before, limit });
  const last = keys.length === limit ? keys.at(-1) : undefined;
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    keys: keys.map(view),
    next_cursor: last ? encodeTimeCursor({ at: last.created_at, id: last.key_id }) : null,
  });
}

async function show(connection: Connection, request: Request, response: Response): Promise<void> {
  const apiKey = await findApiKey(connection, keyIdOf(request));
  if (!apiKey) throw new NotFoundError(NO_SUCH_KEY);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, view(apiKey));
}

async function rotate(
  connection: Connection,
  graceSeconds: number,
  request: Request,
  response: Response,
): Promise<void> {
  const keyId = keyIdOf(request);
  const issued = await rotateApiKey(connection, keyId, graceSeconds).catch((error: unknown) => {
    if (!(error instanceof TooManyPreviousKeysError)) throw error;
    throw new ConflictError(`${error.message}; wait for their end, or end them all with grace_seconds 0`);
  });
  if (issued) {
    answerIssued(response, 200, issued);
    return;
  }
  if (!(await findApiKey(connection, keyId))) throw new NotFoundError(NO_SUCH_KEY);
  throw new ConflictError('The key is revoked; make a new one');
}

async function revoke(connection: Connection, request: Request, response: Response): Promise<void> {
  const apiKey = await revokeApiKey(connection, keyIdOf(request));
  if (!apiKey) throw new NotFoundError(NO_SUCH_KEY);
  answerJson(response, 200, view(apiKey));
}

/** An absent body counts as an empty object. */
async function readJson<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const bytes = await readBody(request, BODY_LIMIT_BYTES);
  const parsed = schema.safeParse(bytes.length === 0 ? {} : parseJsonObject(bytes));
  if (!parsed.success) throw badRequestFrom(parsed.error, 'body');
  return parsed.data;
}

function keyIdOf(request: Request): string {
  return String(request.params['key_id']);
}

function answerIssued(response: Response, status: number, { apiKey, text }: IssuedApiKey): void {
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, status, { ...view(apiKey), key: text });
}

function view(apiKey: ApiKey): z.infer<typeof KeyView> {
  return {
    key_id: apiKey.key_id,
    name: apiKey.name,
    scopes: [...apiKey.scopes],
    status: apiKey.status,
    rate_limit_per_minute: apiKey.rate_limit_per_minute,
    created_by: apiKey.created_by,
    created_at: apiKey.created_at.toISOString(),
    expires_at: instant(apiKey.expires_at),
    rotated_at: instant(apiKey.rotated_at),
    previous_secret_until: instant(apiKey.previous[0]?.until ?? null),
    revoked_at: instant(apiKey.revoked_at),
    last_used_at: instant(apiKey.last_used_at),
  };
}

function instant(date: Date | null): string | null {
  return date?.toISOString() ?? null;
}
