import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { importUsers, previewImport } from '../../src/models/userImport.ts';
import {
  createUser,
  findUsersById,
  listUsers,
  NoUserIdLeftError,
  setUserStatus,
  UserExistsError,
} from '../../src/models/users.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem('users-model');
});
afterAll(() => system.remove());

describe('adding users', () => {
  test('ids go up, and many at once get different ones', async () => {
    const first = await createUser(system.connection, seller());
    const added = await Promise.all(
      Array.from({ length: 30 }, () => createUser(system.connection, seller())),
    );
    const ids = added.map((user) => user.user_id);
    expect(new Set(ids).size).toBe(30);
    expect(Math.min(...ids)).toBeGreaterThan(first.user_id);
  });

  test('a name is given once, also to many who ask at once', async () => {
    const user = seller();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => createUser(system.connection, user)),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(UserExistsError);
    }
    expect(
      await listUsers(system.connection, { namePart: user.user_name, afterId: 0, limit: 10 }),
    ).toHaveLength(1);
  });

  test('an id that somebody brings along is refused when it is taken, and pushes the next ones up when not', async () => {
    const taken = await createUser(system.connection, seller());
    await expect(createUser(system.connection, { ...seller(), user_id: taken.user_id })).rejects.toThrow(
      `user_id ${taken.user_id} belongs to "${taken.user_name}" already`,
    );
    const brought = await createUser(system.connection, { ...seller(), user_id: taken.user_id + 500 });
    expect(brought.user_id).toBe(taken.user_id + 500);
    expect((await createUser(system.connection, seller())).user_id).toBe(taken.user_id + 501);
  });

  test('users who were put in past the counter do not stop it', async () => {
    const last = await createUser(system.connection, seller());
    const userIds = [1, 2, 3].map((distance) => last.user_id + distance);
    await system.addUsers(userIds.map((user_id) => ({ user_id, user_name: uniqueName('foreign') })));
    expect((await createUser(system.connection, seller())).user_id).toBe(last.user_id + 4);
  });

  test('a refused user with an enormous id uses no ids up; one who is there leaves none', async () => {
    const own = await createTestSystem('users-model-last');
    try {
      const first = await createUser(own.connection, seller());
      const enormous = { ...seller(), user_id: Number.MAX_SAFE_INTEGER };
      await expect(createUser(own.connection, { ...enormous, user_name: first.user_name })).rejects.toThrow(
        UserExistsError,
      );
      expect((await createUser(own.connection, seller())).user_id).toBeLessThan(10);
      await createUser(own.connection, enormous);
      await expect(createUser(own.connection, seller())).rejects.toThrow(NoUserIdLeftError);
    } finally {
      await own.remove();
    }
  });
});

describe('listing users', () => {
  test('pages follow each other by id and hold a part of the name, whatever its case and signs', async () => {
    const label = uniqueName('List.+(x)[');
    for (const suffix of ['a', 'B', 'c'])
      await createUser(system.connection, { ...seller(), user_name: `${label}${suffix}` });
    await createUser(system.connection, { ...seller(), user_name: label.replace('.', '-') });
    const first = await listUsers(system.connection, { namePart: label.toUpperCase(), afterId: 0, limit: 2 });
    expect(first.map((user) => user.user_name)).toEqual([`${label}a`, `${label}B`]);
    const second = await listUsers(system.connection, {
      namePart: label,
      afterId: first[1]?.user_id ?? 0,
      limit: 2,
    });
    expect(second.map((user) => user.user_name)).toEqual([`${label}c`]);
  });
});

test('the status of a user changes, and of nobody it does not', async () => {
  const user = await createUser(system.connection, seller());
  expect(await setUserStatus(system.connection, user.user_id, 0)).toEqual({ ...user, status: 0 });
  expect(await findUsersById(system.connection, [user.user_id])).toEqual([{ ...user, status: 0 }]);
  expect(await setUserStatus(system.connection, 9_000_000_000, 0)).toBeUndefined();
});

describe('importing users', () => {
  test('a preview changes nothing, the import does, a repeat nothing more, and new ids go on above', async () => {
    const there = await createUser(system.connection, seller());
    const users = [
      { ...there, status: 0 },
      { ...seller(), user_id: there.user_id + 1_000 },
      { ...seller(), user_id: there.user_id },
      { ...there, user_id: there.user_id + 2_000 },
    ];
    const kinds = ['update', 'add', 'conflict', 'conflict'];
    expect((await previewImport(system.connection, users)).map((step) => step.kind)).toEqual(kinds);
    expect(
      await findUsersById(
        system.connection,
        users.map((user) => user.user_id),
      ),
    ).toEqual([there]);

    expect((await importUsers(system.connection, users)).map((step) => step.kind)).toEqual(kinds);
    const repeat = await importUsers(system.connection, users);
    expect(repeat.map((step) => step.kind)).toEqual(['unchanged', 'unchanged', 'conflict', 'conflict']);
    const stored = await listUsers(system.connection, { afterId: there.user_id - 1, limit: 10 });
    expect(stored).toEqual([users[0], users[1]]);
    expect((await createUser(system.connection, seller())).user_id).toBe(there.user_id + 1_001);
  });

  test('two imports of the same users at once add each once', async () => {
    const first = (await createUser(system.connection, seller())).user_id + 10_000;
    const users = Array.from({ length: 50 }, (_, index) => ({ ...seller(), user_id: first + index }));
    const outcomes = await Promise.all([1, 2].map(() => importUsers(system.connection, users)));
    const added = outcomes.flat().filter((step) => step.kind === 'add');
    expect(added).toHaveLength(50);
    expect(
      await findUsersById(
        system.connection,
        users.map((user) => user.user_id),
      ),
    ).toHaveLength(50);
  });
});

function seller() {
  return { user_name: uniqueName('Seller'), roles: 3, status: 1 };
}
