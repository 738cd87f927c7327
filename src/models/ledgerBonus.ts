import type { Connection } from 'mongoose';
import type { OnceAnswer, OnceKey, Reply } from './idempotency.ts';

export interface BonusGiven {
  readonly users_updated: number;
  readonly total_credits_distributed: number;
}

/**
 * Gives every user a bonus, page by page. After a crash a call with the same key goes on where the first one ended; each
 * user gets it once.
 *
 * @param once - its `id` names the run; without a key of the client's, choose a random one
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function giveBonusToAll(
  _connection: Connection,
  _amount: number,
  _once: OnceKey & { readonly reply: (given: BonusGiven) => Reply },
): Promise<OnceAnswer> {
  throw new Error('not yet');
}
