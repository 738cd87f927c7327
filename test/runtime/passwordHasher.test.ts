import { hash } from 'argon2';
import { expect, test } from 'vitest';
import { PasswordHasher } from '../../src/runtime/passwordHasher.ts';

const passwords = new PasswordHasher();

test('a password is verified against its own hash only, however it is typed', async () => {
  const composed = 'caf\u00e9 \u{1f511} password';
  const hashed = await passwords.hash(composed);
  expect(hashed).toMatch(/^\$argon2id\$v=19\$m=19456,p=1,t=2\$/);
  expect(await passwords.hash(composed)).not.toBe(hashed);
  expect(await passwords.verify(hashed, composed.normalize('NFD'))).toBe(true);
  expect(await passwords.verify(hashed, composed.toUpperCase())).toBe(false);
  expect(await passwords.verify(hashed, '')).toBe(false);
});

test('nobody has the missing hash, and looking at it is no cheaper', async () => {
  const hashed = await passwords.hash('some password');
  const cost = async (passwordHash: string | undefined) => {
    const before = process.cpuUsage();
    for (let count = 0; count < 5; count++) {
      expect(await passwords.verify(passwordHash, 'another one')).toBe(false);
    }
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  expect((await cost(undefined)) / (await cost(hashed))).toBeGreaterThan(0.4);
});

test('a hash of another cost is outdated', async () => {
  expect(passwords.isOutdated(await passwords.hash('some password'))).toBe(false);
  expect(passwords.isOutdated(await hash('some password', { memoryCost: 1_024, timeCost: 1 }))).toBe(true);
});

test('a flood is refused rather than kept in memory', async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, () => passwords.verify(undefined, 'x')),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(refused.length).toBeGreaterThanOrEqual(58);
  expect(refused.length).toBeLessThan(100);
});
