import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { readableLogLine } from '../../scripts/start/logLine.ts';

const readable = (line: string) => stripVTControlCharacters(readableLogLine(line) ?? 'left out');

test('a line of the log is level, message, fields and request id', () => {
  const entry = {
    level: 'info',
    time: '2026-01-05T02:30:00Z',
    process: 'web',
    request_id: 'r1',
    status: 200,
    msg: 'request',
  };
  expect(readable(JSON.stringify(entry))).toBe('info  request status=200 [r1]');
});

test('an error is its message, and whatever is long is cut', () => {
  const entry = {
    level: 'error',
    msg: 'failed',
    err: { message: 'away', stack: 'at …' },
    long: 'x'.repeat(5_000),
  };
  const line = readable(JSON.stringify(entry));
  expect(line).toContain('err=away');
  expect(line.length).toBeLessThan(500);
});

test('the requests that ask whether it runs are left out', () => {
  expect(readable(JSON.stringify({ level: 'info', msg: 'request', path: '/readyz', status: 200 }))).toBe(
    'left out',
  );
});

test.each(['plain text', '{ half', '{"no":"level"}', ''])('any other line passes as it is: %j', (line) => {
  expect(readable(line)).toBe(line);
});
