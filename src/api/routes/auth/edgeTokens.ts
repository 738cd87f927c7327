import type { Request, Response } from 'express';
import { z } from 'zod';
import { answerJson } from '../../answer.ts';
import { type Fields, readFields } from '../../body/readFields.ts';
import { HttpError, UnauthorizedError } from '../../errors.ts';
import type { Route, RouteDocumentation } from '../../route.ts';
import type { AuthRouteDependencies } from './dependencies.ts';
import { logIn } from './passwordLogin.ts';
import { refresh } from './refresh.ts';

const BODY_LIMIT_BYTES = 1_048_576;
const CHALLENGE = 'Bearer realm="api"';

const Credentials = z.object({ username: z.string(), password: z.string() });
const Refresh = z.object({ refresh: z.string() });
const Tokens = z.object({ refresh: z.string(), access: z.string() }).meta({ id: 'EdgeTokens' });

/** What is wrong with each field, in the words of the framework of the contract's first server. */
class InvalidFieldsError extends HttpError {
  override name = 'InvalidFieldsError';
  readonly status = 400;
  readonly #problems: Readonly<Record<string, readonly string[]>>;

  constructor(problems: Readonly<Record<string, readonly string[]>>) {
    super('The body is not valid');
    this.#problems = problems;
  }

  /** The fields alone: this refusal of the contract has no `detail`. */
  override get contractBody(): Readonly<Record<string, unknown>> {
    return this.#problems;
  }
}

class TokenNotValidError extends UnauthorizedError {
  override name = 'TokenNotValidError';

  constructor() {
    super('Token is invalid or expired', CHALLENGE);
  }

  override get members(): Readonly<Record<string, unknown>> {
    return { code: 'token_not_valid' };
  }
}

/** The token endpoints of the photos contract, at both of their addresses, with and without the slash at the end. */
export function edgeTokenRoutes(dependencies: AuthRouteDependencies): readonly Route[] {
  const answerTokens = (request: Request, response: Response) => logInEdge(dependencies, request, response);
  const answerRefresh = (request: Request, response: Response) =>
    refreshEdge(dependencies, request, response);
  return ['/api/v1/token/', '/api/token/'].flatMap((path) => [
    { ...POST, path, documentation: TOKENS_DOCUMENTATION, handle: answerTokens },
    { ...POST, path: `${path}refresh/`, documentation: REFRESH_DOCUMENTATION, handle: answerRefresh },
  ]);
}

const POST = { method: 'post', access: 'open', errors: 'photos' } as const;

const TOKENS_DOCUMENTATION: RouteDocumentation = {
  summary: 'Log in as an edge store',
  tags: ['Accounts'],
  requestBody: {
    content: {
      'application/json': { schema: Credentials },
      'application/x-www-form-urlencoded': { schema: Credentials },
    },
  },
  responses: {
    200: { description: 'Logged in', content: { 'application/json': { schema: Tokens } } },
    400: { description: 'A field is missing' },
    401: { description: 'Wrong credentials' },
  },
};

const REFRESH_DOCUMENTATION: RouteDocumentation = {
  summary: "Exchange an edge store's refresh token for new tokens",
  description: 'Each refresh token is good for one exchange.',
  tags: ['Accounts'],
  requestBody: {
    content: {
      'application/json': { schema: Refresh },
      'application/x-www-form-urlencoded': { schema: Refresh },
    },
  },
  responses: {
    200: { description: 'New tokens', content: { 'application/json': { schema: Tokens } } },
    400: { description: 'The token is missing' },
    401: { description: 'The token is unknown, expired or used' },
  },
};

async function logInEdge(
  dependencies: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const text = await readTexts(request, ['username', 'password']);
  const pair = await logIn(dependencies, request, {
    name: { username: text('username') },
    password: text('password'),
    kinds: ['edge'],
  });
  if (!pair) throw new UnauthorizedError('No active account found with the given credentials', CHALLENGE);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, { refresh: pair.refreshToken, access: pair.accessToken });
}

async function refreshEdge(
  dependencies: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const text = await readTexts(request, ['refresh']);
  const pair = await refresh(dependencies, request, text('refresh'), ['edge']);
  if (!pair) throw new TokenNotValidError();
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, { access: pair.accessToken, refresh: pair.refreshToken });
}

/** @throws InvalidFieldsError unless each of the fields is there and can be taken for a text */
async function readTexts(request: Request, names: readonly string[]): Promise<(name: string) => string> {
  const fields = await readFields(request, BODY_LIMIT_BYTES);
  const problems = Object.fromEntries(
    names.flatMap((name) => {
      const problem = textProblem(fields, name);
      return problem === undefined ? [] : [[name, [problem]]];
    }),
  );
  if (Object.keys(problems).length > 0) throw new InvalidFieldsError(problems);
  return (name) => String(fields[name]);
}

/** https://www.django-rest-framework.org/api-guide/fields/#charfield: a number is taken for its text. */
function textProblem(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined) return 'This field is required.';
  if (value === null) return 'This field may not be null.';
  if (typeof value === 'number') return undefined;
  if (typeof value !== 'string') return 'Not a valid string.';
  return value.trim() === '' ? 'This field may not be blank.' : undefined;
}
