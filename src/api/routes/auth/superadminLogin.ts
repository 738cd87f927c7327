import type { Request, Response } from 'express';
import { z } from 'zod';
import { answerJson } from '../../answer.ts';
import { isRecord } from '../../body/json.ts';
import { readFields } from '../../body/readFields.ts';
import { BadRequestError, HttpError, UnauthorizedError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { AuthRouteDependencies } from './dependencies.ts';
import { logIn } from './passwordLogin.ts';
import { SessionTokens, sessionTokens } from './sessionTokens.ts';

const BODY_LIMIT_BYTES = 1_048_576;
const CHALLENGE = 'Bearer realm="millrace"';
const FIELDS = ['username', 'password'] as const;

const Credentials = z.object({ username: z.string(), password: z.string() });

/** One entry of `detail` as the framework of the contract's first server wrote it. What was sent is not echoed. */
interface Invalid {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: null;
}

class InvalidFieldsError extends HttpError {
  override name = 'InvalidFieldsError';
  readonly status = 422;
  readonly #detail: readonly Invalid[];

  constructor(detail: readonly Invalid[]) {
    super('The body is not valid');
    this.#detail = detail;
  }

  override get members(): Readonly<Record<string, unknown>> {
    return { detail: this.#detail };
  }
}

/** `POST /api/superadmin/login` of the commerce contract. */
export function superadminLoginRoute(dependencies: AuthRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/superadmin/login',
    access: 'open',
    errors: 'commerce',
    cors: 'configured',
    audit: 'superadmin.login',
    documentation: {
      summary: 'Log in as a superadmin',
      tags: ['Accounts'],
      requestBody: {
        content: {
          'application/json': { schema: Credentials },
          'application/x-www-form-urlencoded': { schema: Credentials },
        },
      },
      responses: {
        200: { description: 'Logged in', content: { 'application/json': { schema: SessionTokens } } },
        401: { description: 'Wrong credentials' },
        422: { description: 'A field is missing' },
      },
    },
    handle: (request, response) => login(dependencies, request, response),
  };
}

async function login(
  dependencies: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { username, password } = await readCredentials(request);
  const pair = await logIn(dependencies, request, { name: { username }, password, kinds: ['superadmin'] });
  if (!pair) throw new UnauthorizedError('Invalid credentials', CHALLENGE);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, sessionTokens(pair));
}

async function readCredentials(request: Request): Promise<z.infer<typeof Credentials>> {
  const sent = await readSent(request);
  const parsed = Credentials.safeParse(sent);
  if (parsed.success) return parsed.data;
  const given = isRecord(sent) ? sent : {};
  throw new InvalidFieldsError(
    FIELDS.filter((field) => typeof given[field] !== 'string').map((field) =>
      given[field] === undefined
        ? { type: 'missing', loc: ['body', field], msg: 'Field required', input: null }
        : { type: 'string_type', loc: ['body', field], msg: 'Input should be a valid string', input: null },
    ),
  );
}

async function readSent(request: Request): Promise<unknown> {
  try {
    return await readFields(request, BODY_LIMIT_BYTES);
  } catch (error) {
    if (!(error instanceof BadRequestError)) throw error;
    throw new InvalidFieldsError([
      { type: 'json_invalid', loc: ['body', 0], msg: error.message, input: null },
    ]);
  }
}
