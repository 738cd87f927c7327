import { expect } from 'vitest';
import { verifyLedger } from '../../src/models/ledgerVerify.ts';
import type { TestSystem } from './testSystem.ts';

/** What `npm run ledger -- verify` finds: everything counted anew, and nothing that differs. */
export async function expectCleanLedger({ connection }: TestSystem): Promise<void> {
  const { movements, drifts, drifted } = await verifyLedger(connection, 10);
  expect(drifts).toEqual([]);
  expect(drifted).toBe(0);
  expect(movements).toBeGreaterThan(0);
}
