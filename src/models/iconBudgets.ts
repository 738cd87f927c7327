import type { ClientSession, Connection } from 'mongoose';
import { budgets } from './iconDocuments.ts';

/** How many images one owner may ask for in a month. Failed and cancelled ones do not count. */
export interface MonthlyBudget {
  /** `2026-11`. */
  readonly month: string;
  readonly limit: number;
}

/** @returns false when it would be too many; then nothing is counted */
export async function takeFromBudget(
  connection: Connection,
  owner: string,
  images: number,
  budget: MonthlyBudget | undefined,
  session: ClientSession,
): Promise<boolean> {
  if (!budget) return true;
  const _id = budgetId(owner, budget.month);
  const used = (await budgets(connection).findOne({ _id }, { session }))?.used ?? 0;
  if (used + images > budget.limit) return false;
  await budgets(connection).updateOne({ _id }, { $inc: { used: images } }, { upsert: true, session });
  return true;
}

/** @param months - for each image the month in which it was counted; nothing for one that was not */
export async function giveBackToBudget(
  connection: Connection,
  owner: string,
  months: readonly (string | null)[],
  session: ClientSession,
): Promise<void> {
  const counted = new Map<string, number>();
  for (const month of months) if (month !== null) counted.set(month, (counted.get(month) ?? 0) + 1);
  for (const [month, images] of counted) {
    await budgets(connection).updateOne(
      { _id: budgetId(owner, month) },
      { $inc: { used: -images } },
      { session },
    );
  }
}

function budgetId(owner: string, month: string): string {
  return `${owner}|${month}`;
}
