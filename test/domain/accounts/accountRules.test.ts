import { expect, test } from 'vitest';
import type { AccountDetails } from '../../../src/domain/accounts/account.ts';
import { accountProblems, foldEmail, isEmail } from '../../../src/domain/accounts/accountRules.ts';
import { passwordProblem } from '../../../src/domain/accounts/password.ts';

const GOOD: readonly AccountDetails[] = [
  { kind: 'person', roles: ['admin', 'seller'], email: 'a@b.test', first_name: 'An', usage_user_id: 1 },
  { kind: 'person', roles: ['member'], email: 'a@b.test', username: 'a', credits_user_id: '1'.repeat(21) },
  { kind: 'company', roles: [], email: 'a@b.test', company_name: 'Acme' },
  { kind: 'edge', roles: [], username: 'shop', store_id: 's-1' },
  { kind: 'superadmin', roles: [], username: 'root', email: 'root@b.test' },
];

test.each(GOOD)('$kind may be so', (details) => {
  expect(accountProblems(details)).toEqual([]);
});

test.each<[AccountDetails, string[]]>([
  [{ kind: 'person', roles: [] }, ['email', 'roles']],
  [{ kind: 'company', roles: [], username: 'x' }, ['email', 'company_name']],
  [{ kind: 'company', roles: ['member'], email: 'a@b.test', company_name: 'x' }, ['roles']],
  [{ kind: 'edge', roles: [], email: 'a@b.test' }, ['username']],
  [{ kind: 'edge', roles: [], username: 'x'.repeat(256) }, ['username']],
  [{ kind: 'superadmin', roles: [], username: 'a\u0000b' }, ['username']],
  [
    { kind: 'superadmin', roles: [], username: 'a', company_name: 'x', store_id: 'y' },
    ['company_name', 'store_id'],
  ],
  [{ kind: 'person', roles: ['member'], email: 'a@b.test', first_name: '  ' }, ['first_name']],
  [{ kind: 'person', roles: ['member'], email: 'a@b.test', usage_user_id: 1.5 }, ['usage_user_id']],
  [{ kind: 'person', roles: ['member'], email: 'a@b.test', usage_user_id: 2 ** 53 }, ['usage_user_id']],
])('%j is none, for want of %j', (details, fields) => {
  expect(accountProblems(details).map((problem) => problem.field)).toEqual(fields);
});

test('an e-mail address has a name, an @ and a domain with a dot', () => {
  for (const text of ['a@b.test', 'first.last+tag@sub.example.test', ' a@b.test ', 'ü@ünï.example']) {
    expect([text, isEmail(text)]).toEqual([text, true]);
  }
  for (const text of [
    '',
    'a',
    '@b.test',
    'a@b',
    'a@@b.test',
    'a b@c.test',
    'a@b..test',
    'a@.test',
    `a@${'b'.repeat(260)}.test`,
  ]) {
    expect([text, isEmail(text)]).toEqual([text, false]);
  }
  expect(foldEmail(' A\u0308@B.Test ')).toBe('\u00e4@b.test');
});

test('a password has 8 to 200 characters, of a company 1 to 200', () => {
  const lengths = (kind: AccountDetails['kind']) =>
    [0, 1, 7, 8, 200, 201].filter((length) => passwordProblem('🔑'.repeat(length), kind) === undefined);
  expect(lengths('person')).toEqual([8, 200]);
  expect(lengths('edge')).toEqual([8, 200]);
  expect(lengths('superadmin')).toEqual([8, 200]);
  expect(lengths('company')).toEqual([1, 7, 8, 200]);
});
