import type { Request, Response } from 'express';
import { z } from 'zod';
import { storageFigures } from '../../../domain/workspace/storage.ts';
import { findBalances } from '../../../models/ledgerReads.ts';
import { findSpace } from '../../../models/workspaceReads.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { Route } from '../../route.ts';
import { Storage } from '../workspace/storageView.ts';
import { success, Timestamp, timestampText } from './contractAnswers.ts';
import { queriedUserId } from './contractFields.ts';
import { UserId } from './creditFields.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';

const UserInfo = z
  .object({
    success: z.literal(true),
    credits: z.int().meta({ description: 'What can be spent: holds are taken off' }),
    user_id: z.string(),
    storage: Storage,
    timestamp: Timestamp,
  })
  .meta({ id: 'UserInfo' });

/** `GET /api/unified/user-info`: what a page shows of a user, asked every half a minute. */
export function userInfoRoute(dependencies: CreditsRouteDependencies): Route {
  return {
    method: 'get',
    path: '/api/unified/user-info',
    access: 'credits:read',
    aboutUser: 'query',
    errors: 'credits',
    cors: 'configured',
    documentation: {
      summary: 'Credits and storage of a user',
      description: 'An unknown user has 0 credits and is not created, unless the installation wants it so.',
      tags: ['Credits'],
      requestParams: { query: z.object({ user_id: UserId }) },
      responses: {
        200: { description: 'The user', content: { 'application/json': { schema: UserInfo } } },
        401: { description: 'The API key is missing or wrong, or `user_id` is missing' },
      },
    },
    example: {
      title: 'Read the credits of a user (set PENORA_API_KEY first)',
      command: (baseUrl) =>
        `curl -s '${baseUrl}/api/unified/user-info?user_id=demo-user' -H "X-API-Key: $PENORA_API_KEY"`,
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', userInfo(dependencies, request, response)),
  };
}

async function userInfo(
  { connection, firstContact }: CreditsRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const userId = queriedUserId(request);
  await firstContact(userId);
  const [[balance], space] = await Promise.all([
    findBalances(connection, [userId]),
    findSpace(connection, userId),
  ]);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(
    response,
    200,
    success({
      credits: balance?.available ?? 0,
      user_id: userId,
      storage: storageFigures(space.used_bytes),
      timestamp: timestampText(),
    }),
  );
}
