import { ReplyError } from 'ioredis';
import { expect, test } from 'vitest';
import { describeError } from '../../src/runtime/logger.ts';

test('the arguments of a failed Redis command, such as a password, are not logged', () => {
  const failed = Object.assign(new ReplyError('WRONGPASS invalid username-password pair'), {
    command: { name: 'auth', args: ['default', 'not-for-the-log'] },
  });
  const described = JSON.stringify(describeError(failed));
  expect(described).toContain('WRONGPASS');
  expect(described).toContain('"command":{"name":"auth"}');
  expect(described).not.toContain('not-for-the-log');
});
