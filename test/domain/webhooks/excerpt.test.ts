import { expect, test } from 'vitest';
import { excerptOf } from '../../../src/domain/webhooks/excerpt.ts';

test.each([
  ['', ''],
  ['ok', 'ok'],
  ['{"error":"no such order 4711"}', '{"error":"no such order 4711"}'],
  ['<h1>502 Bad Gateway</h1>\r\n<hr>', '<h1>502 Bad Gateway</h1> <hr>'],
  ['a\u0000b\u001b[31mc\u202ed', 'a b [31mc d'],
  ['request 0b9d3f7a-5c1e-4b2d-8a6f-9e0c7d5b3a14', 'request 0b9d3f7a-5c1e-4b2d-8a6f-9e0c7d5b3a14'],
])('%j is shown as %j', (text, shown) => {
  expect(excerptOf(text)).toBe(shown);
});

test('is short', () => {
  expect(excerptOf('word '.repeat(1_000))).toHaveLength(256);
});

test.each([
  'expected whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  'got v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  'connect to mongodb://root:g0hM9SsE@db failed',
  'Authorization: Bearer g0hM9SsE.OTPJTGt.tmIKtSyZ',
  '{"password":"g0hM9SsE"}',
  '{"api_key": "g0hM9SsE"}',
  'client_secret=g0hM9SsE&x=1',
  "SESSION_TOKEN='g0hM9SsE'",
  'Set-Cookie: g0hM9SsE',
  'key g0hM9SsEg0hM9SsEg0hM9SsEg0hM9SsE',
  `cut off ${'g0hM9SsE'.repeat(600)}`,
])('%s is covered', (text) => {
  const shown = excerptOf(text);
  expect(shown).toContain('[redacted]');
  expect(shown).not.toMatch(/g0hM9SsE|MfKQ9r8G/);
});
