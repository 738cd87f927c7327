import { expect, test } from 'vitest';
import { planImport } from '../../../src/domain/users/importStep.ts';
import type { User } from '../../../src/domain/users/user.ts';

const known = [user(1, 'first'), user(2, 'second'), user(3, 'third', 3, 0)];

test('each user is added, left or updated', () => {
  const users = [user(1, 'first'), user(3, 'third'), user(9, 'ninth')];
  expect(planImport(users, known)).toEqual([
    { kind: 'unchanged', user: users[0] },
    { kind: 'update', user: users[1], before: known[2] },
    { kind: 'add', user: users[2] },
  ]);
});

test.each([
  [user(1, 'second'), 'user_id 1 belongs to "first"'],
  [user(1, 'First'), 'user_id 1 belongs to "first"'],
  [user(9, 'second'), '"second" has user_id 2 already'],
])('%j is in conflict: %s', (one, reason) => {
  expect(planImport([one], known)).toEqual([{ kind: 'conflict', user: one, reason }]);
});

test('a name in another case is another name', () => {
  expect(planImport([user(9, 'FIRST')], known)).toMatchObject([{ kind: 'add' }]);
});

function user(userId: number, userName: string, roles = 3, status = 1): User {
  return { user_id: userId, user_name: userName, roles, status };
}
