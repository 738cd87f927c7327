import type { Request, Response } from 'express';
import { z } from 'zod';
import { ACCOUNT_KINDS } from '../../../domain/accounts/account.ts';
import { endEverySession, endSession } from '../../../models/accountSessions.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { UnauthorizedError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { AccountView, accountView } from './accountView.ts';
import type { AuthRouteDependencies } from './dependencies.ts';
import { readBodyAs } from './readBodyAs.ts';
import { refresh } from './refresh.ts';
import { requireCallersAccount } from './requireCallersAccount.ts';
import { SessionTokens, sessionTokens } from './sessionTokens.ts';

const CHALLENGE = 'Bearer realm="millrace"';
const NOT_GOOD = 'The refresh token is unknown, expired or used';

const RefreshBody = z.object({ refresh_token: z.string().min(1) });
const LogoutBody = z.object({
  refresh_token: z.string().min(1),
  everywhere: z
    .boolean()
    .default(false)
    .meta({ description: "Also ends the account's other sessions, and all its access tokens at once" }),
});

/** Continuing a login, ending it, and asking whose it is. */
export function sessionRoutes(dependencies: AuthRouteDependencies): readonly Route[] {
  return [
    {
      method: 'post',
      path: '/api/auth/refresh',
      access: 'open',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'Exchange a refresh token for new tokens',
        description:
          'Each refresh token is good for one exchange; when one is used again later than ten seconds after the first time, its session ends.',
        tags: ['Accounts'],
        requestBody: { content: { 'application/json': { schema: RefreshBody } } },
        responses: {
          200: { description: 'New tokens', content: { 'application/json': { schema: SessionTokens } } },
          401: { description: NOT_GOOD },
        },
      },
      handle: (request, response) => continueLogin(dependencies, request, response),
    },
    {
      method: 'post',
      path: '/api/auth/logout',
      access: 'open',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'End the session of a refresh token',
        description: 'The access token of the session lives on until it expires, unless it ends everywhere.',
        tags: ['Accounts'],
        requestBody: { content: { 'application/json': { schema: LogoutBody } } },
        responses: { 204: { description: 'Ended' }, 401: { description: NOT_GOOD } },
      },
      handle: (request, response) => logOut(dependencies, request, response),
    },
    {
      method: 'get',
      path: '/api/auth/me',
      access: 'account',
      errors: 'problem',
      cors: 'configured',
      documentation: {
        summary: 'The account that is logged in, and what it may do',
        tags: ['Accounts'],
        responses: {
          200: {
            description: 'The account',
            content: {
              'application/json': { schema: z.object({ account: AccountView, scopes: z.array(z.string()) }) },
            },
          },
        },
      },
      handle: (request, response) => showSelf(dependencies, request, response),
    },
  ];
}

async function continueLogin(
  dependencies: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { refresh_token: token } = await readBodyAs(RefreshBody, request);
  const pair = await refresh(dependencies, request, token, ACCOUNT_KINDS);
  if (!pair) throw new UnauthorizedError(NOT_GOOD, CHALLENGE);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, sessionTokens(pair));
}

async function logOut(
  { connection }: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { refresh_token: token, everywhere } = await readBodyAs(LogoutBody, request);
  const end = everywhere ? endEverySession : endSession;
  const account = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', end(connection, token));
  if (!account) throw new UnauthorizedError(NOT_GOOD, CHALLENGE);
  request.context.logFields = { account_id: account.account_id, everywhere };
  response.writeHead(204, { 'X-Request-Id': request.context.requestId }).end();
}

async function showSelf(
  { connection }: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { account, scopes } = await requireCallersAccount(connection, request);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, { account: accountView(account), scopes });
}
