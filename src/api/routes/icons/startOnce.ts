import type { Request, Response } from 'express';
import type { Connection } from 'mongoose';
import { z } from 'zod';
import {
  answerOf,
  findReplies,
  type OnceAnswer,
  type OnceKey,
  runOnce,
} from '../../../models/idempotency.ts';
import { claimStart, releaseStart } from '../../../models/startClaims.ts';
import { ConflictError, UnprocessableError } from '../../errors.ts';
import { onceOf } from '../../idempotency.ts';

export const StartHeaders = z.object({
  'Idempotency-Key': z.string().max(200).optional().meta({
    description: 'A repeat with the same key and body starts nothing and answers with the first one',
  }),
});

/** What was started, by its id, and whether an earlier request with the same key did it. */
export interface Started {
  readonly id: string;
  readonly isReplay: boolean;
}

/**
 * Starts something, once for ever when the request has an Idempotency-Key. A start that is refused, or breaks, does not use
 * the key up. A repeat starts it again only when the process was killed, or MongoDB went away, between the start and keeping
 * its id.
 *
 * @param sent - the fields as sent, which the key stands for
 * @param start - does it and gives its id; throws when nothing was started
 * @throws ConflictError while the first request is under way; UnprocessableError when the key was used with other fields
 */
export async function startOnce(
  connection: Connection,
  request: Request,
  sent: unknown,
  start: () => Promise<string>,
): Promise<Started> {
  // In open mode nobody is told from anybody else, so keys of two clients would be one.
  const once = request.context.caller ? onceOf(request, sent) : undefined;
  if (!once) return { id: await start(), isReplay: false };
  const earlier = await findStarted(connection, once);
  if (earlier) return earlier;
  const holder = await claimStart(connection, once.id);
  if (holder === undefined)
    throw new ConflictError('The first request with this Idempotency-Key is under way');
  try {
    // It may have ended between the look and the claim.
    return (await findStarted(connection, once)) ?? (await startAndKeep(connection, once, start));
  } finally {
    await releaseStart(connection, once.id, holder);
  }
}

/** As the answers of other domains to a repeat are marked. */
export function markReplay({ isReplay }: Started, response: Response): void {
  if (isReplay) response.setHeader('Idempotency-Replayed', 'true');
}

async function findStarted(connection: Connection, once: OnceKey): Promise<Started | undefined> {
  const kept = (await findReplies(connection, [once.id])).get(once.id);
  return kept && startedBy(answerOf(kept, once));
}

async function startAndKeep(
  connection: Connection,
  once: OnceKey,
  start: () => Promise<string>,
): Promise<Started> {
  const id = await start();
  return startedBy(await runOnce(connection, once, async () => ({ status: 200, body: JSON.stringify(id) })));
}

function startedBy(answer: OnceAnswer): Started {
  if (answer.kind === 'other-request') {
    throw new UnprocessableError('This Idempotency-Key was used before with another request');
  }
  return { id: String(JSON.parse(answer.reply.body)), isReplay: answer.kind === 'replayed' };
}
