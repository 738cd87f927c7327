import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { bodyOf } from '../../../src/domain/webhooks/event.ts';
import { newSecret, signedHeaders } from '../../../src/domain/webhooks/signature.ts';

test('secrets have 32 bytes behind their prefix, and no two are the same', () => {
  const secrets = Array.from({ length: 100 }, newSecret);
  for (const secret of secrets) {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(Buffer.from(secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
  }
  expect(new Set(secrets).size).toBe(100);
});

/** The test vector of the libraries of Standard Webhooks. */
test('signs as every other library does', () => {
  const content = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', at: 1_614_265_330_000, body: '{"test": 2432232314}' };
  expect(signedHeaders(content, ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'])).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('with two secrets either of them verifies, another one does not', () => {
  const [one, two, other] = [newSecret(), newSecret(), newSecret()];
  const body = bodyOf({ id: 'evt_1', type: 'credits.low', at: 0, data: { user_id: 'ünï' } });
  const headers = signedHeaders({ id: 'evt_1', at: Date.now() + 999, body }, [one, two]);
  expect(headers['webhook-signature']?.split(' ')).toHaveLength(2);
  for (const secret of [one, two]) {
    expect(new Webhook(secret).verify(body, headers)).toEqual({
      type: 'credits.low',
      timestamp: '1970-01-01T00:00:00.000Z',
      data: { user_id: 'ünï' },
    });
  }
  expect(() => new Webhook(other).verify(body, headers)).toThrow();
  expect(() => new Webhook(one).verify(`${body} `, headers)).toThrow();
  expect(() => new Webhook(one).verify(body, { ...headers, 'webhook-id': 'evt_2' })).toThrow();
});
