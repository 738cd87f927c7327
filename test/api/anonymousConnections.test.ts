import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { AnonymousConnections } from '../../src/api/live/anonymousConnections.ts';

/** As a proxy passes it on. */
function requestFrom(address: string): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers['x-forwarded-for'] = address;
  return request;
}

test.each([
  ['an IPv4 address', '192.0.2.1', '192.0.2.1', '192.0.2.2'],
  ['an IPv4 address, mapped to IPv6 or not,', '192.0.2.1', '::ffff:192.0.2.1', '::ffff:192.0.2.2'],
  ['an IPv6 network of 64 bits', '2001:db8:1:2::1', '2001:DB8:1:2:ffff::9', '2001:db8:1:3::1'],
])('%s has one share, and others have theirs', (_, first, same, other) => {
  const anonymous = new AnonymousConnections(2, 1);
  const leave = anonymous.enter(requestFrom(first));
  expect(anonymous.enter(requestFrom(same))).toBeDefined();
  expect(anonymous.enter(requestFrom(same))).toBeUndefined();
  expect(anonymous.enter(requestFrom(other))).toBeDefined();
  leave?.();
  expect(anonymous.enter(requestFrom(same))).toBeDefined();
  expect(anonymous.enter(requestFrom(first))).toBeUndefined();
});
