import { expect, test } from 'vitest';
import type { User } from '../../../src/domain/users/user.ts';
import { chooseUser } from '../../../src/domain/users/userName.ts';

const user = (user_id: number, user_name: string, status = 1): User => ({
  user_id,
  user_name,
  roles: 3,
  status,
});

test.each([
  ['the exact owner, active or not', 'Demo', [user(1, 'demo'), user(2, 'Demo', 0)], 2],
  ['else the eldest active seller', 'DEMO', [user(1, 'demo', 0), user(2, 'Demo'), user(3, 'dEMO')], 2],
  ['else the eldest', 'DEMO', [user(1, 'demo', 0), user(2, 'Demo', 0)], 1],
  ['else nobody', 'DEMO', [user(1, 'demo.seller')], undefined],
])('a name means %s', (_, name, candidates, meant) => {
  expect(chooseUser(name, candidates)?.user_id).toBe(meant);
});
