import { describe, expect, test } from 'vitest';
import { readNewUser, readUserWithId } from '../../../src/domain/users/user.ts';

const SELLER = { userName: 'demo.seller', user_id: '12', roles: '3', status: '1' };

test('a user is read from text', () => {
  expect(readUserWithId(SELLER)).toEqual({ user_id: 12, user_name: 'demo.seller', roles: 3, status: 1 });
  expect(readNewUser(SELLER)).toEqual({ user_name: 'demo.seller', roles: 3, status: 1 });
});

describe('names', () => {
  test.each([
    ['  Demo.Seller@Example.test\t', 'Demo.Seller@Example.test'],
    ['Nguyễn Văn A', 'Nguyễn Văn A'],
    ['a, "b"', 'a, "b"'],
    ['x'.repeat(255), 'x'.repeat(255)],
    ['7', '7'],
    ['👩‍💻', '👩‍💻'],
  ])('%j is %j', (userName, name) => {
    expect(readNewUser({ ...SELLER, userName })).toMatchObject({ user_name: name });
  });

  test.each([
    '',
    '   ',
    '\u00a0\u3000',
    '\u200b\u200d',
    'a\nb',
    'a\u0000b',
    'a\u001b[31mb',
    'a\u0085b',
    '\ud800',
    'Nguy\ufffdn',
    'x'.repeat(256),
  ])('%j is refused', (userName) => {
    expect(readNewUser({ ...SELLER, userName })).toEqual({ refused: expect.stringMatching(/^userName /) });
  });
});

describe('numbers', () => {
  test.each(['1', '0012', ' 12 ', '2147483648', '9007199254740991'])('the id %j is taken', (user_id) => {
    expect(readUserWithId({ ...SELLER, user_id })).toMatchObject({ user_id: Number(user_id) });
  });

  test.each([
    '',
    '0',
    '-1',
    '+1',
    '1.0',
    '1e3',
    '0x1',
    'x',
    '9007199254740992',
    '99999999999999999999',
    '１',
  ])('the id %j is refused', (user_id) => {
    expect(readUserWithId({ ...SELLER, user_id })).toEqual({ refused: expect.stringMatching(/^user_id /) });
  });

  test.each(['roles', 'status'])('%s is a whole number from 0 up', (field) => {
    expect(readUserWithId({ ...SELLER, [field]: '0' })).toMatchObject({ [field]: 0 });
    for (const text of ['', '-1', '1.5', 'active', '9007199254740992']) {
      expect(readUserWithId({ ...SELLER, [field]: text })).toEqual({
        refused: `${field} has to be a whole number from 0 up, not ${JSON.stringify(text)}`,
      });
    }
  });

  test('a refusal quotes the beginning of the value only', () => {
    expect(readUserWithId({ ...SELLER, roles: 'x'.repeat(10_000) })).toEqual({
      refused: expect.stringMatching(/^.{50,120}$/),
    });
  });
});
