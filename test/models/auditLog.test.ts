import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditEntry } from '../../src/domain/audit/entry.ts';
import { type AuditPage, appendAuditEntries, listAuditEntries } from '../../src/models/auditLog.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';

let system: TestSystem;
const AT = Date.parse('2026-01-05T10:00:00Z');

const ENTRIES: readonly AuditEntry[] = Array.from({ length: 12 }, (_, index) => ({
  // Several of one moment.
  at: new Date(AT + Math.floor(index / 3) * 1_000),
  who: index % 2 ? 'operator' : 'account:1',
  action: index % 4 ? 'api-key.create' : 'access.denied',
  target: `key-${index}`,
  outcome: index % 4 ? 'done' : 'denied',
  status: index % 4 ? 201 : 403,
  ip: '127.0.0.1',
  request_id: `request-${index}`,
}));

beforeAll(async () => {
  system = await createTestSystem('audit-model');
  await appendAuditEntries(system.connection, ENTRIES);
});
afterAll(() => system.remove());

async function targets(page: Omit<AuditPage, 'limit'>): Promise<(string | null)[]> {
  return (await listAuditEntries(system.connection, { ...page, limit: 100 })).map((entry) => entry.target);
}

function targetsWhere(holds: (entry: AuditEntry) => boolean): (string | null)[] {
  return ENTRIES.filter(holds)
    .map((entry) => entry.target)
    .reverse();
}

test('entries come back as they were written, newest first', async () => {
  const listed = await listAuditEntries(system.connection, { limit: 100 });
  expect(listed.map(({ entry_id: _id, ...entry }) => entry)).toEqual(ENTRIES.toReversed());
});

test('each filter takes what it names', async () => {
  expect(await targets({ who: 'operator' })).toEqual(targetsWhere(({ who }) => who === 'operator'));
  expect(await targets({ action: 'access.denied' })).toEqual(targetsWhere(({ status }) => status === 403));
  expect(await targets({ outcome: 'done' })).toEqual(targetsWhere(({ outcome }) => outcome === 'done'));
  expect(await targets({ target: 'key-7' })).toEqual(['key-7']);
  const [from, to] = [new Date(AT + 1_000), new Date(AT + 3_000)];
  expect(await targets({ from, to })).toEqual(targetsWhere(({ at }) => at >= from && at < to));
  expect(await targets({ who: 'nobody' })).toEqual([]);
});

test('pages of every size join without a gap, also within one moment', async () => {
  for (const limit of [1, 2, 5, 12]) {
    const listed: (string | null)[] = [];
    for (let before: { at: Date; id: string } | undefined; ; ) {
      const page = await listAuditEntries(system.connection, { before, limit });
      listed.push(...page.map((entry) => entry.target));
      const last = page.at(-1);
      if (!last) break;
      before = { at: last.at, id: last.entry_id };
    }
    expect(listed).toEqual(targetsWhere(() => true));
  }
});
