import type { Request, Response } from 'express';
import { z } from 'zod';
import { isEmail } from '../../../domain/accounts/accountRules.ts';
import { answerJson } from '../../answer.ts';
import { readFields } from '../../body/readFields.ts';
import { BadRequestError, HttpError, UnauthorizedError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { AccountView, accountView } from './accountView.ts';
import type { AuthRouteDependencies } from './dependencies.ts';
import { logIn, type PasswordLogin } from './passwordLogin.ts';
import { SessionTokens, sessionTokens } from './sessionTokens.ts';
import type { TokenPair } from './tokenPair.ts';

const BODY_LIMIT_BYTES = 1_048_576;
/** Of the icons contract. */
const SHORTEST_PASSWORD = 6;
const CHALLENGE = 'Bearer realm="millrace"';

const Credentials = z.object({
  email: z.string('email is missing').refine(isEmail, 'email is not an e-mail address'),
  password: z.string('password is missing').min(1, 'password is missing'),
});

const LoggedIn = SessionTokens.extend({
  user: AccountView.extend({ is_admin: z.boolean() }),
}).meta({ id: 'LoggedIn' });

/** Malformed input in the words of the icons contract. */
class InvalidLoginError extends HttpError {
  override name = 'InvalidLoginError';
  readonly status = 400;
  readonly #errors: string;

  constructor(errors: string) {
    super('Invalid request data');
    this.#errors = errors;
  }

  override get members(): Readonly<Record<string, unknown>> {
    return { errors: this.#errors };
  }
}

/** `POST /api/auth/login`: people and client companies, as both of their contracts have it. */
export function loginRoute(dependencies: AuthRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/auth/login',
    access: 'open',
    errors: 'login',
    cors: 'configured',
    documentation: {
      summary: 'Log in as a person or a client company',
      tags: ['Accounts'],
      requestBody: { content: { 'application/json': { schema: Credentials } } },
      responses: {
        200: { description: 'Logged in', content: { 'application/json': { schema: LoggedIn } } },
        400: { description: 'No e-mail address, or a password of fewer than 6 characters' },
        401: { description: 'Wrong credentials' },
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
  const { email, password } = await readCredentials(request);
  const isShort = [...password].length < SHORTEST_PASSWORD;
  const attempt: PasswordLogin = {
    name: { email },
    password,
    // The commerce contract lets a company have a shorter password; for everybody else such a one is malformed.
    kinds: isShort ? ['company'] : ['person', 'company'],
  };
  const pair = await logIn(dependencies, request, attempt);
  if (!pair && isShort) {
    throw new InvalidLoginError(`password has fewer than ${SHORTEST_PASSWORD} characters`);
  }
  if (!pair) throw new UnauthorizedError('Invalid credentials', CHALLENGE);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, loggedIn(pair));
}

async function readCredentials(request: Request): Promise<z.infer<typeof Credentials>> {
  const parsed = Credentials.safeParse(await readJsonFields(request));
  if (parsed.success) return parsed.data;
  throw new InvalidLoginError(parsed.error.issues.map((issue) => issue.message).join('; '));
}

async function readJsonFields(request: Request): Promise<unknown> {
  try {
    return await readFields(request, BODY_LIMIT_BYTES);
  } catch (error) {
    if (error instanceof BadRequestError) throw new InvalidLoginError(error.message);
    throw error;
  }
}

function loggedIn(pair: TokenPair): z.infer<typeof LoggedIn> {
  const { account } = pair;
  return {
    ...sessionTokens(pair),
    user: { ...accountView(account), is_admin: account.roles.includes('admin') },
  };
}
