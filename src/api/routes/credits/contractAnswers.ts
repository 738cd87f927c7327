import type { Request, Response } from 'express';
import { z } from 'zod';
import type { LedgerOutcome } from '../../../domain/credits/ledger.ts';
import type { Reply } from '../../../models/idempotency.ts';
import type { Ledger } from '../../../models/ledger.ts';
import type { Fields } from '../../body/readFields.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { HttpError } from '../../errors.ts';
import { answerOnce, refusalReply } from '../../idempotency.ts';
import { readContractBody } from './contractFields.ts';
import { executeOnce, type RequestedCommand } from './executeOnce.ts';

export type Done = Extract<LedgerOutcome, { kind: 'done' }>;
export type Refused = Extract<LedgerOutcome, { kind: 'refused' }>;

export interface SentBody {
  readonly sent: Fields;
  /** When it was read, in `performance.now()`. */
  readonly since: number;
}

/**
 * Reads the body, for which a client on a slow line has its own time limit, and counts the time for the answer from there.
 *
 * @param answer - answers the request
 * @throws BadRequestError in the contract's words; ServiceUnavailableError when the time is over
 */
export async function answerToBody(
  request: Request,
  answer: (body: SentBody) => Promise<void>,
  limitBytes?: number,
): Promise<void> {
  const sent = await readContractBody(request, limitBytes);
  await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', answer({ sent, since: performance.now() }));
}

/** A write of the contract to the ledger. */
export interface ContractWrite extends RequestedCommand {
  readonly show: (done: Done) => object;
  readonly refuse: (refused: Refused) => HttpError;
}

/**
 * Carries out a command and answers the request: once for ever when it has an Idempotency-Key.
 *
 * @throws UnprocessableError when the key was used with another request; ServiceUnavailableError when MongoDB is away
 */
export async function writeAndAnswer(
  ledger: Ledger,
  request: Request,
  response: Response,
  { show, refuse, ...asked }: ContractWrite,
): Promise<void> {
  const reply = (outcome: LedgerOutcome): Reply =>
    outcome.kind === 'done' ? successReply(show(outcome)) : refusalReply(refuse(outcome), request);
  answerOnce(request, response, await executeOnce(ledger, request, asked, reply));
}

/** Clients look at `success`, hardly ever at the status. */
export function successReply(members: object): Reply {
  return { status: 200, body: JSON.stringify(success(members)) };
}

export function success(members: object): object {
  return { success: true, ...members };
}

/** A time as the contract writes it: UTC without saying so, with six digits of a second. */
export function timestampText(milliseconds = Date.now()): string {
  return `${new Date(milliseconds).toISOString().slice(0, -1)}000`;
}

export const Timestamp = z.string().meta({ example: '2026-01-05T07:26:03.764370', description: 'In UTC' });

/** What the paying or receiving user has after a command. */
export function balanceAfter({ balances: [balance] }: Done): number {
  if (!balance) throw new Error('A command that was carried out tells the balance');
  return balance.available;
}
