import type { Request, Response } from 'express';
import type { LedgerCommand, LedgerOutcome } from '../../../domain/credits/ledger.ts';
import type { Reply } from '../../../models/idempotency.ts';
import type { Ledger } from '../../../models/ledger.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { answerOnce, refusalReply } from '../../idempotency.ts';
import { executeOnce } from './executeOnce.ts';
import { refusedByLedger } from './ledgerRefusals.ts';

export type Done = Extract<LedgerOutcome, { kind: 'done' }>;

/** A write of a route of problem details. */
export interface LedgerWrite {
  readonly command: LedgerCommand;
  /** The fields as sent, which an Idempotency-Key stands for. */
  readonly body: unknown;
  /** Of the answer when it is done. */
  readonly status: 200 | 201;
  readonly show: (done: Done) => object;
}

/**
 * Carries out a command and answers the request: once for ever when it has an Idempotency-Key.
 *
 * @throws UnprocessableError when the key was used with another request; ServiceUnavailableError when MongoDB is away
 */
export async function carryOut(
  ledger: Ledger,
  request: Request,
  response: Response,
  { command, body, status, show }: LedgerWrite,
): Promise<void> {
  const reply = (outcome: LedgerOutcome): Reply =>
    outcome.kind === 'done'
      ? { status, body: JSON.stringify(show(outcome)) }
      : refusalReply(refusedByLedger(outcome), request);
  const asked = { command, sent: body, since: performance.now() };
  const answer = executeOnce(ledger, request, asked, reply);
  answerOnce(request, response, await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', answer));
}
