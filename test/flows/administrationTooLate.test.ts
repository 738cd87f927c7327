import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MongoLink, openMongoLink } from '../support/mongoLink.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/**
 * MongoDB hangs for longer than an administrator waits, and then goes on: no key, account or receiver is made whose secret
 * nobody was told, and no secret is replaced by one.
 */
let system: TestSystem;
let link: MongoLink;
let url: string;

beforeAll(async () => {
  system = await createTestSystem('admintoolate');
  link = await openMongoLink(system.mongoUrl);
  const web = await system.startWeb({
    MONGODB_URL: link.url,
    ENCRYPTION_KEY: `k1:${randomBytes(32).toString('base64')}`,
    WEBHOOKS_ALLOW_PRIVATE: '1',
  });
  url = web.url;
});

afterAll(async () => {
  await link.close();
  await system.remove();
});

/** Comes again when it is told to, unless that is what is wanted. */
async function post(path: string, body: object, status: number): Promise<ReturnType<typeof JSON.parse>> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${system.adminKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status === 503 && status !== 503) return post(path, body, status);
  expect(response.status, text).toBe(status);
  return JSON.parse(text);
}

/** Sends to a MongoDB that does not answer, and lets it answer when the client was told to come back. */
async function postTooEarly(path: string, body: object = {}): Promise<void> {
  // Afterwards there is a connection that is ready to be written to.
  await fetch(`${url}/api/keys`, { headers: { Authorization: `Bearer ${system.adminKey}` } });
  link.hang();
  try {
    await post(path, body, 503);
  } finally {
    link.release();
  }
}

const RECEIVER = { url: 'http://127.0.0.1:65000/', events: ['credits.low'] };

test.each([
  ['/api/keys', 'api_keys', () => ({ name: uniqueName('key'), scopes: ['usage:read'] })],
  ['/api/accounts', 'accounts', () => ({ kind: 'edge', username: uniqueName('edge') })],
  ['/api/webhooks', 'webhook_endpoints', () => RECEIVER],
])('POST %s makes nothing', async (path, collection, body) => {
  await postTooEarly(path, body());
  await post(path, body(), 201);
  expect(await system.connection.collection(collection).countDocuments()).toBe(1);
});

test('an API key keeps its secret', async () => {
  const { key_id } = await post('/api/keys', { name: uniqueName('key'), scopes: ['usage:read'] }, 201);
  const stored = () =>
    system.connection.collection<{ _id: string; hash: string }>('api_keys').findOne({ _id: key_id });
  const before = await stored();
  await postTooEarly(`/api/keys/${key_id}/rotate`);
  await post(`/api/keys/${key_id}/rotate`, {}, 200);
  expect(await stored()).toMatchObject({ previous: { hash: before?.hash } });
});

test('a receiver of webhooks keeps its secret', async () => {
  const { id } = await post('/api/webhooks', RECEIVER, 201);
  const stored = () =>
    system.connection.collection<{ _id: string; secret: string }>('webhook_endpoints').findOne({ _id: id });
  const before = await stored();
  await postTooEarly(`/api/webhooks/${id}/rotate-secret`);
  await post(`/api/webhooks/${id}/rotate-secret`, {}, 200);
  expect(await stored()).toMatchObject({ previous_secret: before?.secret });
});
