import { randomUUID } from 'node:crypto';
import type { Connection } from 'mongoose';
import { expect } from 'vitest';
import type { LedgerCommand, LedgerOutcome } from '../../src/domain/credits/ledger.ts';
import type { Ledger, Once } from '../../src/models/ledger.ts';
import { importUsers } from '../../src/models/ledgerImport.ts';
import { findBalances } from '../../src/models/ledgerReads.ts';
import { verifyLedger } from '../../src/models/ledgerVerify.ts';
import { isOutage } from '../../src/runtime/outage.ts';

export type Done = Extract<LedgerOutcome, { kind: 'done' }>;

export async function addUser(connection: Connection, user_id: string, credits: number): Promise<string> {
  await importUsers(connection, [{ user_id, username: user_id, email: `${user_id}@example.org`, credits }]);
  return user_id;
}

export function deduct(user_id: string, amount = 1): LedgerCommand {
  return {
    kind: 'deduct',
    user_id,
    amount,
    app_name: 'imagegene',
    description: 'Picture',
    project_code: null,
  };
}

export function add(user_id: string, amount: number, expires_at?: number): LedgerCommand {
  return {
    kind: 'add',
    user_id,
    amount,
    app_name: 'system',
    transaction_type: 'purchase',
    description: 'Purchase',
    expires_at,
  };
}

export function hold(
  user_id: string,
  amount: number,
  milliseconds = 60_000,
  hold_id: string = randomUUID(),
): LedgerCommand & { kind: 'hold' } {
  const expires_at = Date.now() + milliseconds;
  return { kind: 'hold', hold_id, user_id, amount, app_name: 'penora', description: 'Draft', expires_at };
}

export function capture(hold_id: string, amount?: number, final = true): LedgerCommand {
  return { kind: 'capture', hold_id, amount, final, project_code: null };
}

export function transfer(from_user_id: string, to_user_id: string, amount: number): LedgerCommand {
  return { kind: 'transfer', from_user_id, to_user_id, amount, app_name: 'system', description: 'Gift' };
}

/** Answers with the outcome itself. */
export function once(id: string, fingerprint = 'body'): Once {
  return { id, fingerprint, reply: (outcome) => ({ status: 200, body: JSON.stringify(outcome) }) };
}

/**
 * Carries the command out as a client does who has a key: when the ledger is overloaded, whatever came of it, it asks
 * again.
 */
export async function patiently(ledger: Ledger, command: LedgerCommand): Promise<LedgerOutcome> {
  const key = once(randomUUID());
  for (;;) {
    try {
      const answer = await ledger.executeOnce(command, key);
      if (answer.kind === 'other-request') throw new Error('The key belongs to another request');
      return JSON.parse(answer.reply.body);
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }
}

/** Carries out what has to succeed. */
export async function carryOut(ledger: Ledger, command: LedgerCommand): Promise<Done> {
  const outcome = await patiently(ledger, command);
  if (outcome.kind !== 'done') throw new Error(`${command.kind} was refused: ${outcome.reason}`);
  return outcome;
}

export async function balanceOf(
  connection: Connection,
  userId: string,
): Promise<[available: number, held: number]> {
  const [balance] = await findBalances(connection, [userId]);
  if (!balance) throw new Error(`${userId} is unknown`);
  return [balance.available, balance.held];
}

export async function expectSound(connection: Connection): Promise<void> {
  expect((await verifyLedger(connection, 20)).drifts).toEqual([]);
}

/** How often each outcome came: `done`, or the reason of the refusal. */
export function tally(outcomes: readonly LedgerOutcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) {
    const name = outcome.kind === 'done' ? 'done' : outcome.reason;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
