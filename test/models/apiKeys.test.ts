import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ApiKey,
  acceptedHashes,
  MOST_PREVIOUS_KEYS,
  type NewApiKey,
} from '../../src/domain/accounts/apiKey.ts';
import {
  createApiKey,
  findApiKey,
  hashApiKey,
  type IssuedApiKey,
  listApiKeys,
  noteApiKeyUse,
  revokeApiKey,
  rotateApiKey,
  TooManyPreviousKeysError,
} from '../../src/models/apiKeys.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem('api-keys-model');
});
afterAll(() => system.remove());

function wanted(): NewApiKey {
  return {
    name: uniqueName('key'),
    scopes: ['credits:read', 'credits:write'],
    expires_at: new Date('2999-01-01T00:00:00Z'),
    rate_limit_per_minute: 60,
    created_by: 'account:1',
  };
}

function untilOf(key: ApiKey | undefined): number[] {
  return key?.previous.map(({ until }) => until.getTime()) ?? [];
}

test('a key is found as it was made; the text that was given out has the hash that is kept', async () => {
  const made = await createApiKey(system.connection, wanted());
  expect(await findApiKey(system.connection, made.apiKey.key_id)).toEqual(made.apiKey);
  expect(made.apiKey.hash).toBe(hashApiKey(made.text));
  expect(made.apiKey).toMatchObject({ status: 'active', previous: [], last_used_at: null });
  expect(await findApiKey(system.connection, 'unknown')).toBeUndefined();
});

test('what does not expire and has no limit of its own says so', async () => {
  const { apiKey } = await createApiKey(system.connection, {
    ...wanted(),
    expires_at: null,
    rate_limit_per_minute: null,
  });
  expect(await findApiKey(system.connection, apiKey.key_id)).toMatchObject({
    expires_at: null,
    rate_limit_per_minute: null,
  });
});

describe('a rotation', () => {
  test('ends no secret sooner than was promised', async () => {
    const first = await createApiKey(system.connection, wanted());
    const keyId = first.apiKey.key_id;
    const second = await rotateApiKey(system.connection, keyId, 120);
    const third = await rotateApiKey(system.connection, keyId, 60);
    const kept = await findApiKey(system.connection, keyId);
    expect(kept).toEqual(third?.apiKey);
    const [of, until] = [(issued?: IssuedApiKey) => hashApiKey(issued?.text ?? ''), untilOf(kept)];
    const rotatedAt = kept?.rotated_at?.getTime() ?? 0;
    expect(until).toEqual([rotatedAt + 60_000, expect.any(Number)]);
    expect(until[1]).toBe((second?.apiKey.rotated_at?.getTime() ?? 0) + 120_000);
    const accepted = (seconds: number) => kept && acceptedHashes(kept, rotatedAt + seconds * 1_000);
    expect(accepted(59)).toEqual([of(third), of(second), of(first)]);
    expect(accepted(60)).toEqual([of(third), of(first)]);
    expect(accepted(121)).toEqual([of(third)]);
  });

  test('without a grace ends every secret before, and makes room for others', async () => {
    const { apiKey } = await createApiKey(system.connection, wanted());
    const rotate = (seconds: number) => rotateApiKey(system.connection, apiKey.key_id, seconds);
    for (let times = 0; times < MOST_PREVIOUS_KEYS; times++) await rotate(60);
    const before = await findApiKey(system.connection, apiKey.key_id);
    await expect(rotate(60)).rejects.toBeInstanceOf(TooManyPreviousKeysError);
    expect(await findApiKey(system.connection, apiKey.key_id)).toEqual(before);
    const last = await rotate(0);
    expect(last && acceptedHashes(last.apiKey, Date.now())).toEqual([hashApiKey(last?.text ?? '')]);
    expect(await rotate(60)).toMatchObject({ apiKey: { previous: [{ hash: last?.apiKey.hash }] } });
  });

  test('many at once follow each other: every secret is kept', async () => {
    const { apiKey } = await createApiKey(system.connection, wanted());
    const rotated = await Promise.all(
      Array.from({ length: 4 }, () => rotateApiKey(system.connection, apiKey.key_id, 60)),
    );
    const hashes = [apiKey.hash, ...rotated.map((issued) => hashApiKey(issued?.text ?? ''))];
    const kept = await findApiKey(system.connection, apiKey.key_id);
    expect(new Set(kept && acceptedHashes(kept, Date.now()))).toEqual(new Set(hashes));
  });

  test('of a key that an earlier version has rotated keeps that one secret too', async () => {
    const { apiKey } = await createApiKey(system.connection, wanted());
    const until = new Date(Date.now() + 60_000);
    const keys = system.connection.collection<{ _id: string }>('api_keys');
    await keys.updateOne({ _id: apiKey.key_id }, { $set: { previous: { hash: 'old', until } } });
    expect(await findApiKey(system.connection, apiKey.key_id)).toMatchObject({
      previous: [{ hash: 'old', until }],
    });
    const rotated = await rotateApiKey(system.connection, apiKey.key_id, 30);
    expect(rotated?.apiKey.previous.map(({ hash }) => hash)).toEqual([apiKey.hash, 'old']);
  });

  test('is not possible once the key is revoked', async () => {
    const { apiKey } = await createApiKey(system.connection, wanted());
    await revokeApiKey(system.connection, apiKey.key_id);
    expect(await rotateApiKey(system.connection, apiKey.key_id, 60)).toBeUndefined();
    expect(await rotateApiKey(system.connection, 'unknown', 60)).toBeUndefined();
  });
});

test('revoking again changes nothing', async () => {
  const { apiKey } = await createApiKey(system.connection, wanted());
  const revoked = await revokeApiKey(system.connection, apiKey.key_id);
  expect(revoked).toMatchObject({ status: 'revoked', revoked_at: expect.any(Date) });
  expect(await revokeApiKey(system.connection, apiKey.key_id)).toEqual(revoked);
  expect(await revokeApiKey(system.connection, 'unknown')).toBeUndefined();
});

test('the noted use never goes back', async () => {
  const { apiKey } = await createApiKey(system.connection, wanted());
  const [early, late] = [new Date(1_000_000), new Date(2_000_000)];
  for (const at of [late, early]) await noteApiKeyUse(system.connection, apiKey.key_id, at);
  expect((await findApiKey(system.connection, apiKey.key_id))?.last_used_at).toEqual(late);
});

test('keys of one millisecond are listed once each', async () => {
  const alone = await createTestSystem('api-keys-pages');
  try {
    for (let count = 0; count < 7; count++) await createApiKey(alone.connection, wanted());
    await alone.connection.collection('api_keys').updateMany({}, { $set: { created_at: new Date(5_000) } });
    const listed: string[] = [];
    for (let before: { at: Date; id: string } | undefined; ; ) {
      const page = await listApiKeys(alone.connection, { before, limit: 3 });
      listed.push(...page.map((key) => key.key_id));
      const last = page.at(-1);
      if (!last) break;
      before = { at: last.created_at, id: last.key_id };
    }
    expect(listed).toHaveLength(7);
    expect(listed).toEqual([...new Set(listed)].sort().reverse());
  } finally {
    await alone.remove();
  }
});
