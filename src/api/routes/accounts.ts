import type { Request, Response } from 'express';
import { z } from 'zod';
import {
  ACCOUNT_KINDS,
  ACCOUNT_STATUSES,
  type Account,
  type AccountDetails,
  PERSON_ROLES,
} from '../../domain/accounts/account.ts';
import { accountProblems } from '../../domain/accounts/accountRules.ts';
import { passwordProblem } from '../../domain/accounts/password.ts';
import {
  AccountExistsError,
  changeAccount,
  createAccount,
  findAccount,
  listAccounts,
} from '../../models/accounts.ts';
import { LONGEST_WRITE_MILLISECONDS } from '../../models/writeInTime.ts';
import { answerJson } from '../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../deadline.ts';
import { BadRequestError, badRequestFrom, ConflictError, NotFoundError } from '../errors.ts';
import type { Route } from '../route.ts';
import { decodeTimeCursor, encodeTimeCursor } from '../timeCursor.ts';
import { AccountView, accountView } from './auth/accountView.ts';
import type { AuthRouteDependencies } from './auth/dependencies.ts';
import { readBodyAs } from './auth/readBodyAs.ts';

const AccountPath = z.object({ account_id: z.string() });

const AccountQuery = z.object({
  kind: z.enum(ACCOUNT_KINDS).optional(),
  status: z.enum(ACCOUNT_STATUSES).optional(),
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

const AccountList = z
  .object({ accounts: z.array(AccountView), next_cursor: z.string().nullable() })
  .meta({ id: 'AccountList' });

const NewAccount = z.strictObject({
  kind: z.enum(ACCOUNT_KINDS),
  roles: z.array(z.enum(PERSON_ROLES)).default([]).meta({ description: 'Of a person, who needs one' }),
  email: z.string().exactOptional().meta({ description: 'Persons and companies log in with it' }),
  username: z.string().exactOptional().meta({ description: 'Edges and superadmins log in with it' }),
  first_name: z.string().exactOptional(),
  last_name: z.string().exactOptional(),
  company_name: z.string().exactOptional(),
  usage_user_id: z.int().positive().exactOptional(),
  credits_user_id: z.string().exactOptional(),
  store_id: z.string().exactOptional(),
  password: z.string().exactOptional().meta({
    description: 'Without one nobody can log in until it is set by a one-time link',
  }),
});

const ChangedAccount = z
  .strictObject({
    status: z.enum(ACCOUNT_STATUSES).meta({ description: 'Disabling ends every login' }),
    roles: z.array(z.enum(PERSON_ROLES)),
    email: z.string().nullable(),
    username: z.string().nullable(),
    first_name: z.string().nullable(),
    last_name: z.string().nullable(),
    company_name: z.string().nullable(),
    usage_user_id: z.int().positive().nullable(),
    credits_user_id: z.string().nullable(),
    store_id: z.string().nullable(),
  })
  .partial();

const TAGS = ['Accounts'];
const ONE_ACCOUNT = { 'application/json': { schema: AccountView } };

/** Who may log in, for the superadmin. */
export function accountRoutes(dependencies: AuthRouteDependencies): readonly Route[] {
  const common = { access: 'administration', errors: 'problem', cors: 'configured' } as const;
  return [
    {
      ...common,
      method: 'get',
      path: '/api/accounts',
      documentation: {
        summary: 'Accounts, eldest first',
        tags: TAGS,
        requestParams: { query: AccountQuery },
        responses: {
          200: { description: 'A page', content: { 'application/json': { schema: AccountList } } },
        },
      },
      handle: (request, response) => within(list(dependencies, request, response)),
    },
    {
      ...common,
      method: 'post',
      path: '/api/accounts',
      audit: 'account.create',
      documentation: {
        summary: 'Add an account',
        tags: TAGS,
        requestBody: { content: { 'application/json': { schema: NewAccount } } },
        responses: {
          201: { description: 'Added', content: ONE_ACCOUNT },
          400: { description: 'Its kind needs something else' },
          409: { description: 'Another account has the e-mail address or the user name' },
        },
      },
      handle: (request, response) => create(dependencies, request, response),
    },
    {
      ...common,
      method: 'get',
      path: '/api/accounts/:account_id',
      documentation: {
        summary: 'One account',
        tags: TAGS,
        requestParams: { path: AccountPath },
        responses: {
          200: { description: 'The account', content: ONE_ACCOUNT },
          404: { description: 'No account has this id' },
        },
      },
      handle: (request, response) => within(show(dependencies, request, response)),
    },
    {
      ...common,
      method: 'patch',
      path: '/api/accounts/:account_id',
      audit: 'account.change',
      documentation: {
        summary: "Change an account's status, roles, names or links",
        description: 'What is left out stays; null takes a detail away.',
        tags: TAGS,
        requestParams: { path: AccountPath },
        requestBody: { content: { 'application/json': { schema: ChangedAccount } } },
        responses: {
          200: { description: 'Changed', content: ONE_ACCOUNT },
          400: { description: 'Its kind needs something else' },
          404: { description: 'No account has this id' },
          409: { description: 'Another account has the e-mail address or the user name' },
        },
      },
      handle: (request, response) => change(dependencies, request, response),
    },
  ];
}

function within<T>(work: Promise<T>): Promise<T> {
  return withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', work);
}

async function list(
  { connection }: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const parsed = AccountQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { cursor, limit, ...filter } = parsed.data;
  const after = cursor === undefined ? undefined : decodeTimeCursor(cursor);
  const found = await listAccounts(connection, { ...filter, after, limit: limit + 1 });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    accounts: page.map(accountView),
    next_cursor:
      found.length > limit && last ? encodeTimeCursor({ at: last.created_at, id: last.account_id }) : null,
  });
}

async function create(
  { connection, passwords }: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { password, ...details } = await readBodyAs(NewAccount, request);
  requireNoProblems(details);
  const problem = password === undefined ? undefined : passwordProblem(password, details.kind);
  if (problem !== undefined) throw invalid([{ field: 'password', message: problem }]);
  const passwordHash = password === undefined ? undefined : await within(passwords.hash(password));
  const creating = createAccount(connection, details, passwordHash, LONGEST_WRITE_MILLISECONDS);
  const created = await within(refuseTaken(creating));
  request.context.audit = { target: created.account_id };
  response.setHeader('Location', `/api/accounts/${created.account_id}`);
  answerJson(response, 201, accountView(created));
}

async function show(
  { connection }: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  answerJson(response, 200, accountView(await requireAccount({ connection }, request)));
}

async function change(
  { connection }: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const changes = await readBodyAs(ChangedAccount, request);
  const before = await within(requireAccount({ connection }, request));
  requireNoProblems(detailsAfter(before, changes));
  const changed = await within(refuseTaken(changeAccount(connection, before, changes)));
  if (!changed) throw new ConflictError('The account has been changed meanwhile; try again');
  answerJson(response, 200, accountView(changed));
}

async function requireAccount(
  { connection }: Pick<AuthRouteDependencies, 'connection'>,
  request: Request,
): Promise<Account> {
  const account = await findAccount(connection, String(request.params.account_id));
  if (!account) throw new NotFoundError('No account has this id');
  return account;
}

/** The details that the account will have. */
function detailsAfter(before: Account, changes: z.infer<typeof ChangedAccount>): AccountDetails {
  const { status: _, roles, ...changed } = changes;
  const merged = Object.entries({ ...before, ...changed }).filter(([, value]) => value !== null);
  return { ...Object.fromEntries(merged), kind: before.kind, roles: roles ?? before.roles };
}

function requireNoProblems(details: AccountDetails): void {
  const problems = accountProblems(details);
  if (problems.length > 0) throw invalid(problems);
}

function invalid(problems: readonly { readonly field: string; readonly message: string }[]): BadRequestError {
  return new BadRequestError('The body is not valid', problems);
}

async function refuseTaken<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AccountExistsError) throw new ConflictError(error.message);
    throw error;
  }
}
