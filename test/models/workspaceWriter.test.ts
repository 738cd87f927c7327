import type { Connection } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { spaces } from '../../src/models/workspace.ts';
import type { WorkspaceCommand, WorkspaceOutcome } from '../../src/models/workspaceBook.ts';
import { readProjects } from '../../src/models/workspaceReads.ts';
import { WorkspaceWriter } from '../../src/models/workspaceWriter.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
let connection: Connection;

beforeAll(async () => {
  system = await createTestSystem('workspacewriter');
  connection = system.connection;
});

afterAll(() => system.remove());

async function newUser(): Promise<string> {
  const user_id = uniqueName('u');
  const user = { user_id, username: 'n', email: 'e', initial_credits: 60 };
  await new Ledger(connection).execute({ kind: 'create-user', ...user });
  return user_id;
}

function saveOf(user_id: string, content: string): WorkspaceCommand {
  const project = { user_id, content, title: 't', app_source: 'penora', project_type: 'text', metadata: {} };
  return { kind: 'save', project };
}

/** The outcome, which the writer itself keeps for its reply. */
async function write(
  writer: WorkspaceWriter,
  command: WorkspaceCommand,
  since?: number,
): Promise<WorkspaceOutcome> {
  let last: WorkspaceOutcome | undefined;
  const reply = (outcome: WorkspaceOutcome) => {
    last = outcome;
    return { status: 200, body: '{}' };
  };
  await writer.write({ command, reply, once: undefined }, since);
  if (!last) throw new Error('There was no outcome');
  return last;
}

/** As a client does who is told to come back: MongoDB was never away, so nothing was done. */
async function patiently(writer: WorkspaceWriter, command: WorkspaceCommand): Promise<WorkspaceOutcome> {
  for (;;) {
    try {
      return await write(writer, command);
    } catch (error) {
      if (!(error instanceof ServiceUnavailableError)) throw error;
    }
  }
}

function codeOf(outcome: WorkspaceOutcome): string {
  if (outcome.kind === 'refused') throw new Error(outcome.reason);
  return outcome.project.code;
}

test('a code that somebody has is drawn again, and nothing is counted twice', async () => {
  const [one, other] = [await newUser(), await newUser()];
  const taken = codeOf(await write(new WorkspaceWriter(connection, () => 0), saveOf(one, 'first')));
  expect(taken).toBe('AAAAAA');
  // Three times the same code as before, then another one.
  let drawn = 0;
  const writer = new WorkspaceWriter(connection, () => (drawn++ < 3 * 6 ? 0 : 1));
  const outcome = await write(writer, saveOf(other, 'second'));
  expect(codeOf(outcome)).toBe('BBBBBB');
  expect(drawn).toBe(4 * 6);
  expect(outcome).toMatchObject({ space: { used_bytes: 6, projects: 1, last_number: 1 } });
  const { projects, space } = await readProjects(connection, other, undefined);
  expect(projects.map(({ code, content }) => [code, content])).toEqual([['BBBBBB', 'second']]);
  expect(space).toMatchObject({ used_bytes: 6, projects: 1 });
});

test('two saves of one transaction that draw the same code both get one', async () => {
  const userId = await newUser();
  let drawn = 0;
  // The first four codes are CCCCCC twice for each save, the following ones differ.
  const writer = new WorkspaceWriter(connection, () => {
    const code = Math.floor(drawn++ / 6);
    return code < 4 ? 2 : code;
  });
  const outcomes = await Promise.all(['a', 'b'].map((content) => write(writer, saveOf(userId, content))));
  expect(new Set(outcomes.map(codeOf)).size).toBe(2);
  expect((await readProjects(connection, userId, undefined)).projects).toHaveLength(2);
});

test('a code that never gets free is an error, and nothing is left of the save', async () => {
  const [one, other] = [await newUser(), await newUser()];
  const stuck = new WorkspaceWriter(connection, () => 35);
  await write(stuck, saveOf(one, 'x'));
  await expect(write(stuck, saveOf(other, 'x'))).rejects.toMatchObject({ code: 11_000 });
  expect(await readProjects(connection, other, undefined)).toMatchObject({
    projects: [],
    space: { used_bytes: 0, projects: 0 },
  });
});

test('a deletion in the same transaction makes room for the save behind it', async () => {
  const userId = await newUser();
  const writer = new WorkspaceWriter(connection);
  const code = codeOf(await write(writer, saveOf(userId, 'x'.repeat(1_048_576))));
  const outcomes = await Promise.all([
    write(writer, saveOf(userId, 'y')),
    write(writer, { kind: 'delete', user_id: userId, code }),
    write(writer, { kind: 'delete', user_id: userId, code }),
    write(writer, saveOf(userId, 'z'.repeat(1_048_576))),
    write(writer, saveOf(userId, 'y')),
  ]);
  expect(outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.reason : outcome.kind))).toEqual([
    'storage-exceeded',
    'done',
    'unknown-project',
    'done',
    'storage-exceeded',
  ]);
  const { projects, space } = await readProjects(connection, userId, undefined);
  expect(projects.map(({ content }) => content[0])).toEqual(['z']);
  expect(space).toMatchObject({ used_bytes: 1_048_576, projects: 1, last_number: 2 });
});

test('saves of writers in different processes never exceed the quota together', async () => {
  const userId = await newUser();
  const writers = Array.from({ length: 4 }, () => new WorkspaceWriter(connection));
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      patiently(writers[index % 4] ?? new WorkspaceWriter(connection), saveOf(userId, 'x'.repeat(100_000))),
    ),
  );
  expect(outcomes.filter(({ kind }) => kind === 'done')).toHaveLength(10);
  expect((await readProjects(connection, userId, undefined)).space).toMatchObject({
    used_bytes: 1_000_000,
    projects: 10,
  });
});

test('what somebody keeps from being committed is refused and never done; others go on', async () => {
  const [locked, free] = [await newUser(), await newUser()];
  const writer = new WorkspaceWriter(connection);
  const code = codeOf(await write(writer, saveOf(locked, 'first')));
  const session = await connection.startSession();
  try {
    session.startTransaction();
    await spaces(connection).updateOne({ _id: locked }, { $inc: { last_number: 1 } }, { session });

    const deletion = { kind: 'delete', user_id: locked, code } as const;
    for (const command of [saveOf(locked, 'second'), deletion]) {
      await expect(write(writer, command)).rejects.toBeInstanceOf(ServiceUnavailableError);
    }
    expect(await write(writer, saveOf(free, 'x'))).toMatchObject({ kind: 'done' });
    await session.abortTransaction();
  } finally {
    await session.endSession();
  }
  const { projects, space } = await readProjects(connection, locked, undefined);
  expect(projects.map(({ content }) => content)).toEqual(['first']);
  expect(space).toMatchObject({ used_bytes: 5, projects: 1, last_number: 1 });
});

test('what its client has given up already is not begun, and what came with it is done', async () => {
  const userId = await newUser();
  const writer = new WorkspaceWriter(connection);
  const answers = await Promise.allSettled([
    write(writer, saveOf(userId, 'in time')),
    write(writer, saveOf(userId, 'too late'), performance.now() - 1_400),
    write(writer, saveOf(userId, 'in time too')),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(answers[1]).toMatchObject({ reason: expect.any(ServiceUnavailableError) });
  const { projects } = await readProjects(connection, userId, undefined);
  expect(projects.map(({ content }) => content)).toEqual(['in time too', 'in time']);
});
