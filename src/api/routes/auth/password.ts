import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Account } from '../../../domain/accounts/account.ts';
import { passwordProblem } from '../../../domain/accounts/password.ts';
import { changePassword, findFailuresForgotten, findPassword } from '../../../models/accounts.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError, ForbiddenError, NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { AuthRouteDependencies } from './dependencies.ts';
import { look } from './look.ts';
import { readBodyAs } from './readBodyAs.ts';
import { requireCallersAccount } from './requireCallersAccount.ts';
import { SessionTokens, sessionTokens } from './sessionTokens.ts';
import { setPasswordByLink } from './setPassword.ts';
import { beginSession, requireTokens } from './tokenPair.ts';

const ChangeBody = z.object({ old_password: z.string().min(1), new_password: z.string().min(1) });
const ResetBody = z.object({
  token: z.string().min(1).meta({ description: 'Of the one-time link' }),
  new_password: z.string().min(1),
});

/** Another password: by the old one, or by a one-time link that `npm run accounts -- reset-link` printed. */
export function passwordRoutes(dependencies: AuthRouteDependencies): readonly Route[] {
  return [
    {
      method: 'post',
      path: '/api/auth/password',
      access: 'account',
      errors: 'problem',
      cors: 'configured',
      audit: 'account.password',
      documentation: {
        summary: 'Change the own password',
        description: 'Ends every login of the account; the answer begins a new one.',
        tags: ['Accounts'],
        requestBody: { content: { 'application/json': { schema: ChangeBody } } },
        responses: {
          200: { description: 'Changed', content: { 'application/json': { schema: SessionTokens } } },
          400: { description: 'The new password is too short or too long' },
          403: { description: 'The old password is wrong' },
        },
      },
      handle: (request, response) => change(dependencies, request, response),
    },
    {
      method: 'post',
      path: '/api/auth/password/reset',
      access: 'open',
      errors: 'problem',
      cors: 'configured',
      audit: 'account.password-reset',
      documentation: {
        summary: 'Set a new password by a one-time link',
        description: 'Ends every login of the account.',
        tags: ['Accounts'],
        requestBody: { content: { 'application/json': { schema: ResetBody } } },
        responses: {
          204: { description: 'Set' },
          400: { description: 'The new password is too short or too long' },
          404: { description: 'The link is unknown, used or expired' },
        },
      },
      handle: (request, response) => reset(dependencies, request, response),
    },
  ];
}

async function change(
  dependencies: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  requireTokens(dependencies);
  const body = await readBodyAs(ChangeBody, request);
  const { account } = await requireCallersAccount(dependencies.connection, request);
  requireNewPassword(body.new_password, account);
  const changed = await withinDeadline(
    ANSWER_MILLISECONDS,
    'MongoDB',
    replacePassword(dependencies, request, account, body),
  );
  if (!changed) throw new ForbiddenError('The old password is wrong');
  const pair = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', beginSession(dependencies, changed));
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, sessionTokens(pair));
}

/** @returns nothing when the old password is wrong, or was replaced meanwhile */
async function replacePassword(
  { connection, passwords, throttle }: AuthRouteDependencies,
  request: Request,
  { account_id }: Account,
  { old_password: oldPassword, new_password: newPassword }: z.output<typeof ChangeBody>,
): Promise<Account | undefined> {
  // Whoever has somebody's token must not be able to try passwords with it.
  const attempt = await throttle.begin(`account:${account_id}`, request.context.ip, () =>
    findFailuresForgotten(connection, { account_id }),
  );
  const changed = await look(attempt, async () => {
    const found = await findPassword(connection, account_id);
    const right = await passwords.verify(found?.password_hash, oldPassword);
    if (!found || !right) return undefined;
    const passwordHash = await passwords.hash(newPassword);
    return changePassword(connection, account_id, passwordHash, { replaced: found.password_hash });
  });
  if (changed) await attempt.succeeded();
  return changed;
}

async function reset(
  dependencies: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { token, new_password: password } = await readBodyAs(ResetBody, request);
  const setting = await setPasswordByLink(dependencies, token, password);
  if (setting.kind === 'refused') throw badNewPassword(setting.problem);
  if (setting.kind === 'no-link') throw new NotFoundError('The link is unknown, used or expired');
  request.context.audit = { who: `account:${setting.account.account_id}` };
  response.writeHead(204, { 'X-Request-Id': request.context.requestId }).end();
}

function requireNewPassword(password: string, { kind }: Account): void {
  const problem = passwordProblem(password, kind);
  if (problem !== undefined) throw badNewPassword(problem);
}

function badNewPassword(message: string): BadRequestError {
  return new BadRequestError('The body is not valid', [{ field: 'new_password', message }]);
}
