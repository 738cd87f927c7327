import { MongoServerError } from '../errors.ts';
import { LockWait } from '../transactions/transaction.ts';
import type { CommandContext } from './command.ts';
import { numberField } from './fields.ts';

/** Waits for the transaction that holds a document, at most for the command's maxTimeMS. */
export async function waitForTransaction({ transaction }: LockWait, { body }: CommandContext): Promise<void> {
  const limit = numberField(body, 'maxTimeMS') ?? 0;
  if (limit === 0) return transaction.ended;
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new MongoServerError('MaxTimeMSExpired', 'operation exceeded time limit')),
    limit,
  );
  try {
    await Promise.race([transaction.ended, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a change that is atomic, again after each transaction it has to wait for. */
export async function retryWhileLocked<T>(context: CommandContext, change: () => T): Promise<T> {
  for (;;) {
    try {
      return change();
    } catch (error) {
      if (!(error instanceof LockWait)) throw error;
      await waitForTransaction(error, context);
    }
  }
}
