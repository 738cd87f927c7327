import { expect } from 'vitest';
import type { TestSystem } from './testSystem.ts';

interface MovementDocument {
  readonly _id: string;
  readonly entries: readonly { readonly account: string; readonly amount: number }[];
}

interface AccountDocument {
  readonly _id: string;
  readonly available: number;
  readonly held: number;
}

/** Adds up every entry anew, from the documents as they are stored, and compares with the balances. */
export async function expectCleanLedger({ connection }: TestSystem): Promise<void> {
  const sums = new Map<string, number>();
  let movements = 0;
  for await (const { _id, entries } of connection.collection<MovementDocument>('credit_movements').find()) {
    movements += 1;
    expect(
      entries.reduce((sum, { amount }) => sum + amount, 0),
      `movement ${_id}`,
    ).toBe(0);
    for (const { account, amount } of entries) sums.set(account, (sums.get(account) ?? 0) + amount);
  }
  expect(movements).toBeGreaterThan(0);
  for await (const account of connection.collection<AccountDocument>('credit_accounts').find()) {
    const { _id, available, held } = account;
    const ofEntries = [sums.get(`user:${_id}`) ?? 0, sums.get(`held:${_id}`) ?? 0];
    expect(ofEntries, _id).toEqual([available, held]);
    expect(Math.min(available, held), _id).toBeGreaterThanOrEqual(0);
  }
}
