import type { Request } from 'express';
import type { LedgerCommand, LedgerOutcome } from '../../../domain/credits/ledger.ts';
import type { OnceAnswer, Reply } from '../../../models/idempotency.ts';
import type { Ledger } from '../../../models/ledger.ts';
import { onceOf } from '../../idempotency.ts';

/** A command that a request asks for. */
export interface RequestedCommand {
  readonly command: LedgerCommand;
  /** The fields as sent, which an Idempotency-Key stands for. */
  readonly sent: unknown;
  /** When the time for the answer began, in `performance.now()`. */
  readonly since: number;
}

/**
 * Carries out the command that a request asks for: once for ever when it has an Idempotency-Key.
 *
 * @param reply - says what is answered, also to a refusal
 * @throws BadRequestError when the key cannot be taken; ServiceUnavailableError when MongoDB is away
 */
export async function executeOnce(
  ledger: Ledger,
  request: Request,
  { command, sent, since }: RequestedCommand,
  reply: (outcome: LedgerOutcome) => Reply,
): Promise<OnceAnswer> {
  const once = onceOf(request, sent);
  if (once) return ledger.executeOnce(command, { ...once, reply }, since);
  return { kind: 'first', reply: reply(await ledger.execute(command, since)) };
}
