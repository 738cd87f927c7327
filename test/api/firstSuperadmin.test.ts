import { randomBytes } from 'node:crypto';
import mongoose from 'mongoose';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { ensureFirstSuperadmin } from '../../src/api/firstSuperadmin.ts';
import { createAccount, findLogin, prepareAccounts } from '../../src/models/accounts.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { PasswordHasher } from '../../src/runtime/passwordHasher.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';

let system: TestSystem;
const logger = createLogger('web', 'silent');
const passwords = new PasswordHasher();
const PASSWORD = randomBytes(12).toString('base64url');

beforeAll(async () => {
  system = await createTestSystem('first-superadmin');
});
beforeEach(() => system.connection.dropCollection('accounts'));
afterAll(() => system.remove());

const environment = (username: string) =>
  readEnvironment({ ...system.environment, SUPERADMIN_USERNAME: username, SUPERADMIN_PASSWORD: PASSWORD });
const ensure = (connection = system.connection, username = 'First') =>
  ensureFirstSuperadmin(connection, passwords, environment(username), logger);
const superadmins = () => system.connection.collection('accounts').countDocuments({ kind: 'superadmin' });

test('ten processes that start at once on an empty database make one', async () => {
  const connections = await Promise.all(
    Array.from({ length: 10 }, () =>
      mongoose.createConnection(system.mongoUrl, { autoIndex: false, autoCreate: false }).asPromise(),
    ),
  );
  try {
    await Promise.all(connections.map((connection) => ensure(connection)));
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
  expect(await superadmins()).toBe(1);
  const login = await findLogin(system.connection, { username: 'FIRST' }, ['superadmin']);
  expect(await passwords.verify(login?.password_hash, PASSWORD)).toBe(true);
});

test('none is made beside another one, and its password is left alone', async () => {
  await ensure();
  const before = await system.connection.collection('accounts').find().toArray();
  await ensure(system.connection, 'second');
  expect(await system.connection.collection('accounts').find().toArray()).toEqual(before);
});

test('a user name that somebody else has keeps no process from starting', async () => {
  await prepareAccounts(system.connection);
  await createAccount(system.connection, { kind: 'edge', roles: [], username: 'first' });
  await ensure();
  expect(await superadmins()).toBe(0);
});
