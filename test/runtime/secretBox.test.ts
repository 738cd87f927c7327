import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openSecretBox, SecretBox, UnreadableSecretError } from '../../src/runtime/secretBox.ts';

const key = (id: string) => ({ id, key: randomBytes(32) });
const old = key('k1');
const current = key('k2');
const owner = 'webhook:whe_1';

test('a sealed secret opens again, names its key and shows nothing of itself', () => {
  const box = new SecretBox(current);
  for (const secret of ['', 'a', 'whsec_plain+text/=', 'ünï ☃', 'x'.repeat(10_000)]) {
    const sealed = box.seal(secret, owner);
    expect(sealed).toMatch(/^v1:k2:[A-Za-z0-9_-]+$/);
    if (secret.length > 3)
      expect(sealed).not.toContain(Buffer.from(secret).toString('base64url').slice(0, 8));
    expect(box.open(sealed, owner)).toBe(secret);
  }
});

test('the same secret is sealed differently each time', () => {
  const box = new SecretBox(current);
  const texts = Array.from({ length: 100 }, () => box.seal('same', owner));
  expect(new Set(texts).size).toBe(100);
});

test('the previous key still opens, the current one seals', () => {
  const sealed = new SecretBox(old).seal('secret', owner);
  const rotated = new SecretBox(current, old);
  expect(rotated.open(sealed, owner)).toBe('secret');
  expect(rotated.isCurrent(sealed)).toBe(false);
  const again = rotated.seal('secret', owner);
  expect(rotated.isCurrent(again)).toBe(true);
  expect(new SecretBox(current).open(again, owner)).toBe('secret');
  expect(() => new SecretBox(current).open(sealed, owner)).toThrow(UnreadableSecretError);
});

test('two keys of one id: the current one is meant', () => {
  const same = new SecretBox(current, { ...old, id: current.id });
  expect(same.open(same.seal('secret', owner), owner)).toBe('secret');
});

test('another record, another key and any changed character do not open', () => {
  const box = new SecretBox(current);
  const sealed = box.seal('secret', owner);
  expect(() => box.open(sealed, 'webhook:whe_2')).toThrow(UnreadableSecretError);
  expect(() => new SecretBox({ ...current, key: randomBytes(32) }).open(sealed, owner)).toThrow(
    UnreadableSecretError,
  );
  const bytes = Buffer.from(sealed.slice('v1:k2:'.length), 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => box.open(`v1:k2:${changed.toString('base64url')}`, owner), `byte ${at}`).toThrow(
      UnreadableSecretError,
    );
  }
  for (const text of ['', 'v1', 'v1:k2:', 'v2:k2:AAAA', 'v1:k3:AAAA', sealed.slice(0, 30), `${sealed} `]) {
    expect(() => box.open(text, owner), text).toThrow(UnreadableSecretError);
  }
});

test('an error tells neither the secret nor the key', () => {
  const box = new SecretBox(current);
  const sealed = box.seal('whsec_very-secret', owner);
  const failure = (() => {
    try {
      return new SecretBox({ ...current, key: old.key }).open(sealed, owner);
    } catch (error) {
      return error;
    }
  })();
  const text = `${failure instanceof Error ? failure.stack : failure}`;
  expect(text).not.toContain('very-secret');
  expect(text).not.toContain(sealed);
  expect(failure).not.toHaveProperty('cause');
});

test('without a key there is no box', () => {
  expect(openSecretBox(undefined, old)).toBe(undefined);
  expect(openSecretBox(current, old)).toBeInstanceOf(SecretBox);
});
