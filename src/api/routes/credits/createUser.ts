import type { Request, Response } from 'express';
import { z } from 'zod';
import { storageFigures } from '../../../domain/workspace/storage.ts';
import { findSpace } from '../../../models/workspaceReads.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import {
  answerToBody,
  balanceAfter,
  type SentBody,
  Timestamp,
  timestampText,
  writeAndAnswer,
} from './contractAnswers.ts';
import { isAbsent, nameField, requireFields, textField } from './contractFields.ts';
import { KeyHeader, UserId, WRITE_REFUSALS } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { INITIAL_CREDITS } from './firstContact.ts';

const CreateUserBody = z
  .object({
    user_id: UserId,
    username: z.string(),
    email: z.string(),
    initial_credits: z.int().min(0).default(INITIAL_CREDITS),
  })
  .meta({ id: 'CreateCreditUser' });

const CreatedUser = z
  .object({
    success: z.literal(true),
    user: z.object({
      user_id: z.string(),
      username: z.string(),
      email: z.string(),
      credits: z.int(),
      storage_used_mb: z.number(),
      storage_limit_mb: z.number(),
      storage_available_mb: z.number(),
    }),
    timestamp: Timestamp,
  })
  .meta({ id: 'CreditUserCreated' });

/** `POST /api/unified/create-user`: makes a user, or updates name and e-mail of one. */
export function createUserRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/unified/create-user',
    access: 'credits:write',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'Create a user, or update name and e-mail',
      description:
        'Of a user that exists the credits stay as they are. Listed are a `bonus` of 10 and an `adjustment` by the rest.',
      tags: ['Credits'],
      requestParams: { header: KeyHeader },
      requestBody: { content: { 'application/json': { schema: CreateUserBody } } },
      responses: {
        200: { description: 'The user', content: { 'application/json': { schema: CreatedUser } } },
        ...WRITE_REFUSALS,
      },
    },
    handle: (request, response) =>
      answerToBody(request, (body) => createUser(dependencies, body, request, response)),
  };
}

async function createUser(
  { connection, ledger }: CreditsRouteDependencies,
  { sent, since }: SentBody,
  request: Request,
  response: Response,
): Promise<void> {
  requireFields(sent, ['user_id', 'username', 'email']);
  const user = {
    user_id: nameField(sent, 'user_id'),
    username: textField(sent, 'username'),
    email: textField(sent, 'email'),
  };
  const initial_credits = isAbsent(sent, 'initial_credits')
    ? INITIAL_CREDITS
    : initialCredits(sent['initial_credits']);
  const space = await findSpace(connection, user.user_id);
  const storage = storageFigures(space.used_bytes);
  await writeAndAnswer(ledger, request, response, {
    command: { kind: 'create-user', ...user, initial_credits },
    sent,
    since,
    show: (done) => ({
      user: {
        ...user,
        credits: balanceAfter(done),
        storage_used_mb: storage.used_mb,
        storage_limit_mb: storage.limit_mb,
        storage_available_mb: storage.available_mb,
      },
      timestamp: timestampText(),
    }),
    refuse: () => new BadRequestError('The user cannot be created with so many credits'),
  });
}

function initialCredits(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new BadRequestError('initial_credits must be an integer, 0 or more');
  }
  return value;
}
