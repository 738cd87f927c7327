import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CreditsBehaviour,
  type CreditsSandbox,
  type ReceivedCall,
  startCreditsServer,
} from '../../sandbox/creditsServer.ts';
import type { ReserveRequest } from '../../src/domain/credits/provider.ts';
import {
  ForbiddenTransitionError,
  findReservationsForOperator,
  moveRemoteReservation,
  resolveRemoteReservation,
} from '../../src/models/remoteReservations.ts';
import { CreditsServer } from '../../src/platforms/creditsServer.ts';
import { RemoteCredits } from '../../src/providers/credits/remote.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { startProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';
import { captureOf, releaseOf, reserved, reserveOf, testsOfEveryProvider } from './creditsConformance.ts';

const KEY = 'a-key-of-the-other-server';
const logger = createLogger('worker', 'silent');
const never = new AbortController().signal;
/** For what is not answered; the question before it has to be, also on a machine that stands still for a second. */
const IMPATIENT = 1_500;
/** For what is answered once the test says so. */
const PATIENT = 60_000;

let system: TestSystem;
let server: CreditsSandbox;
let credits: RemoteCredits;

beforeAll(async () => {
  system = await createTestSystem('remote-credits');
});
afterAll(() => system.remove());
beforeEach(async () => {
  server = await startCreditsServer({ apiKey: KEY });
  credits = provider();
});
afterEach(() => server.close());

describe('as every provider', () => {
  testsOfEveryProvider(() => ({
    provider: credits,
    unknownUser: 'insufficient',
    addUser: async (amount) => user(amount),
    topUp: async (userId, amount) => server.setCredits(userId, (server.credits(userId) ?? 0) + amount),
    creditsOf: async (userId) => server.credits(userId) ?? 0,
  }));
});

describe('what the other server is asked', () => {
  test('one deduction, nothing for a capture, one addition of the rest', async () => {
    const userId = user(20);
    const reservation = await reserved(credits, userId, 12);
    await credits.capture(captureOf(reservation, 5));
    await credits.release(releaseOf(reservation));
    expect(server.changes).toEqual([
      { user_id: userId, amount: -12, description: 'Icon batch' },
      { user_id: userId, amount: 7, description: 'Not used: Icon batch', transaction_type: 'adjustment' },
    ]);
    const [deduction, addition] = changesReceived(userId);
    expect(deduction).toMatchObject({ apiKey: KEY, body: { app_name: 'icons' } });
    expect(deduction?.idempotencyKey).toMatch(/^[\x21-\x7e]{1,200}$/);
    expect(addition?.idempotencyKey).not.toBe(deduction?.idempotencyKey);
  });
});

describe('the server does not serve', () => {
  test('nothing listens: refused, nothing is written down, and the same reference goes through later', async () => {
    const port = Number(new URL(server.url).port);
    await server.close();
    const request = reserveOf('someone', 3);
    expect(await credits.reserve(request)).toEqual({
      kind: 'unavailable',
      reason: 'no answer: ECONNREFUSED',
    });
    expect(await forOperator(request)).toBeUndefined();
    server = await startCreditsServer({ apiKey: KEY, port });
    server.setCredits('someone', 3);
    expect(await credits.reserve(request)).toMatchObject({ kind: 'reserved' });
    expect(server.credits('someone')).toBe(0);
  });

  test.each([
    ['hangs', { kind: 'hang' }],
    ['answers with 500', { kind: 'answer', status: 500, body: '<html>' }],
    ['answers with a page', { kind: 'answer', status: 200, body: '<html>' }],
  ] satisfies [string, CreditsBehaviour][])(
    'a server that %s is asked for no change',
    async (_, behaviour) => {
      server.behave(() => behaviour);
      const request = reserveOf(user(10), 3);
      expect(await provider(150).reserve(request)).toMatchObject({ kind: 'unavailable' });
      expect(changesReceived(request.user_id)).toEqual([]);
      expect(await forOperator(request)).toBeUndefined();
    },
  );

  test('a wrong key is named, without its value, and nothing is charged', async () => {
    const userId = user(10);
    const wrong = new RemoteCredits(system.connection, new CreditsServer(server.url, 'wrong-key'), logger);
    const outcome = await wrong.reserve(reserveOf(userId, 3));
    expect(outcome).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining('CREDITS_REMOTE_KEY'),
    });
    expect(JSON.stringify(outcome)).not.toContain('wrong-key');
    expect(server.credits(userId)).toBe(10);
  });

  test('a deduction that is turned away at the door may be asked for again', async () => {
    const userId = user(10);
    const request = reserveOf(userId, 3);
    const refusal = JSON.stringify({ success: false, error: 'Too many requests' });
    server.behave(onDeduction({ kind: 'answer', status: 429, body: refusal }));
    expect(await credits.reserve(request)).toEqual({ kind: 'unavailable', reason: '429 Too many requests' });
    server.behave(() => undefined);
    expect(await credits.reserve(request)).toMatchObject({ kind: 'reserved' });
    expect(server.credits(userId)).toBe(7);
    const [first, second] = changesReceived(userId);
    expect(first?.idempotencyKey).not.toBe(second?.idempotencyKey);
  });
});

describe('nobody knows whether it was charged', () => {
  const contractError = JSON.stringify({ success: false, error: 'database is locked' });

  test.each([
    ['no answer, not charged', { kind: 'hang' }, 10],
    ['no answer, charged', { kind: 'serve-and-hang' }, 7],
    ['connection lost, charged', { kind: 'serve-and-drop' }, 7],
    ['500 of the contract', { kind: 'answer', status: 500, body: contractError }, 10],
    ['502 of a proxy', { kind: 'answer', status: 502, body: '<html>' }, 10],
    ['409', { kind: 'answer', status: 409, body: contractError }, 10],
    ['400 of somebody else', { kind: 'answer', status: 400, body: '<html>' }, 10],
    ['200 with an odd body', { kind: 'answer', status: 200, body: '{"ok":true}' }, 10],
  ] satisfies [string, CreditsBehaviour, number][])(
    '%s: listed, and never sent again',
    async (_, behaviour, left) => {
      const userId = user(10);
      const request = reserveOf(userId, 3);
      server.behave(onDeduction(behaviour));
      const impatient = provider(IMPATIENT);
      expect(await impatient.reserve(request)).toMatchObject({ kind: 'unknown' });
      server.behave(() => undefined);
      expect(await forOperator(request)).toMatchObject({
        state: 'deduct-unknown',
        user_id: userId,
        amount: 3,
      });
      expect(await impatient.reserve(request)).toMatchObject({ kind: 'unknown' });
      await impatient.tidy(never, inHours(24));
      expect(await impatient.reserve(request)).toMatchObject({ kind: 'unknown' });
      expect(changesReceived(userId)).toHaveLength(1);
      expect(server.credits(userId)).toBe(left);
    },
  );

  test('an operator who finds it charged makes it a reservation', async () => {
    const { request, userId } = await unknownDeduction({ kind: 'serve-and-drop' });
    const { _id: id = '' } = (await forOperator(request)) ?? {};
    expect(await resolveRemoteReservation(system.connection, id, 'charged')).toMatchObject({
      state: 'reserved',
    });
    expect(await resolveRemoteReservation(system.connection, id, 'charged')).toBeUndefined();
    expect(await credits.reserve(request)).toEqual({ kind: 'reserved', reservation_id: id });
    expect(await credits.release(releaseOf(id))).toEqual({ kind: 'released', returned: 3 });
    expect(server.credits(userId)).toBe(10);
  });

  test('when nobody uses that reservation, it comes back when it expires', async () => {
    const { request, userId } = await unknownDeduction({ kind: 'serve-and-drop' });
    const { _id: id = '' } = (await forOperator(request)) ?? {};
    await resolveRemoteReservation(system.connection, id, 'charged');
    await credits.tidy(never, inHours(1));
    expect(server.credits(userId)).toBe(10);
  });

  test('released before anybody knows, it comes back as soon as it is found charged', async () => {
    const { request, userId } = await unknownDeduction({ kind: 'serve-and-drop' });
    const id = credits.reservationIdOf(request.reference);
    expect(await credits.release(releaseOf(id))).toEqual({ kind: 'not-open' });
    expect(await forOperator(request)).toMatchObject({ _id: id, state: 'deduct-unknown' });
    await resolveRemoteReservation(system.connection, id, 'charged');
    expect(await credits.capture(captureOf(id, 1))).toEqual({ kind: 'not-open' });
    await credits.tidy(never);
    expect(server.credits(userId)).toBe(10);
  });

  test('an operator who finds it not charged frees the reference', async () => {
    const { request, userId } = await unknownDeduction({ kind: 'hang' });
    const { _id: id = '' } = (await forOperator(request)) ?? {};
    await resolveRemoteReservation(system.connection, id, 'not-charged');
    expect(await forOperator(request)).toBeUndefined();
    expect(await credits.reserve(request)).toMatchObject({ kind: 'reserved' });
    expect(server.credits(userId)).toBe(7);
  });

  test('a process that is killed while it waits leaves it unknown', async () => {
    const userId = user(10);
    const request = reserveOf(userId, 3);
    server.behave(onDeduction({ kind: 'serve-and-hang' }));
    const reserving = startProcess(
      'test/providers/reserveProcess.ts',
      {
        ...system.environment,
        CREDITS_PROVIDER: 'remote',
        CREDITS_REMOTE_URL: server.url,
        CREDITS_REMOTE_KEY: KEY,
      },
      [JSON.stringify(request)],
    );
    await waitFor('the deduction has come', async () => changesReceived(request.user_id)[0]);
    reserving.kill('SIGKILL');
    expect(await reserving.exited).toEqual({ code: null, signal: 'SIGKILL' });
    // Another process may still be at it.
    expect(await credits.reserve(request)).toMatchObject({ kind: 'unavailable' });
    expect(await forOperator(request)).toBeUndefined();
    await credits.tidy(never, inMinutes(2));
    expect(await forOperator(request)).toMatchObject({ state: 'deduct-unknown' });
    expect(await credits.reserve(request)).toMatchObject({ kind: 'unknown' });
    expect(changesReceived(userId)).toHaveLength(1);
  });

  test('an answer that comes after its call was given up still counts', async () => {
    const request = reserveOf(user(10), 3);
    const answer = Promise.withResolvers<void>();
    server.behave(onDeduction({ kind: 'serve-later', until: answer.promise }));
    const reserving = provider(PATIENT).reserve(request);
    await waitFor('the deduction has come', async () => changesReceived(request.user_id)[0]);
    await credits.tidy(never, inMinutes(2));
    expect(await forOperator(request)).toMatchObject({ state: 'deduct-unknown' });
    answer.resolve();
    expect(await reserving).toMatchObject({ kind: 'reserved' });
    expect(await forOperator(request)).toBeUndefined();
  });

  test('but not after an operator has found out', async () => {
    const request = reserveOf(user(10), 3);
    const answer = Promise.withResolvers<void>();
    server.behave(onDeduction({ kind: 'serve-later', until: answer.promise }));
    const reserving = provider(PATIENT).reserve(request);
    await waitFor('the deduction has come', async () => changesReceived(request.user_id)[0]);
    await credits.tidy(never, inMinutes(2));
    const { _id: id = '' } = (await forOperator(request)) ?? {};
    await resolveRemoteReservation(system.connection, id, 'not-charged');
    answer.resolve();
    expect(await reserving).toMatchObject({ kind: 'unavailable' });
  });
});

test('an answer settles its own call only', async () => {
  const request = reserveOf(user(10), 3);
  const answer = Promise.withResolvers<void>();
  server.behave(onDeduction({ kind: 'serve-later', until: answer.promise }));
  const first = provider(PATIENT).reserve(request);
  await waitFor('the first deduction has come', async () => changesReceived(request.user_id)[0]);
  await credits.tidy(never, inMinutes(2));
  const { _id: id = '' } = (await forOperator(request)) ?? {};
  await resolveRemoteReservation(system.connection, id, 'not-charged');
  server.behave(onDeduction({ kind: 'hang' }));
  const second = provider(IMPATIENT).reserve(request);
  await waitFor('the second deduction has come', async () => changesReceived(request.user_id)[1]);
  answer.resolve();
  expect(await first).toMatchObject({ kind: 'unavailable' });
  expect(await second).toMatchObject({ kind: 'unknown' });
});

describe('adding the rest back', () => {
  test('waits for a server that is away, and is done once however many look after it', async () => {
    const userId = user(10);
    const reservation = await reserved(credits, userId, 6);
    server.behave(() => ({ kind: 'answer', status: 503, body: '' }));
    expect(await credits.release(releaseOf(reservation))).toEqual({ kind: 'released', returned: 6 });
    await credits.tidy(never);
    expect(server.credits(userId)).toBe(4);
    server.behave(() => undefined);
    await Promise.all([provider(), provider(), credits].map((other) => other.tidy(never, inHours(2))));
    expect(server.credits(userId)).toBe(10);
    await credits.tidy(never, inHours(24));
    expect(server.credits(userId)).toBe(10);
  });

  test('without an answer it waits for an operator, and is sent again only on a finding', async () => {
    const userId = user(10);
    const reservation = await reserved(credits, userId, 6);
    server.behave(onAddition({ kind: 'hang' }));
    const impatient = provider(IMPATIENT);
    await impatient.release(releaseOf(reservation));
    server.behave(() => undefined);
    await impatient.tidy(never, inHours(24));
    expect(server.credits(userId)).toBe(4);
    expect(await waitingReservation(reservation)).toMatchObject({ state: 'return-unknown' });
    await resolveRemoteReservation(system.connection, reservation, 'charged');
    await impatient.tidy(never, inMinutes(1));
    expect(server.credits(userId)).toBe(10);
    const [, first, second] = changesReceived(userId);
    expect(first?.idempotencyKey).toBe(second?.idempotencyKey);
  });

  test('found to be back already, it is not sent again', async () => {
    const userId = user(10);
    const reservation = await reserved(credits, userId, 6);
    server.behave(onAddition({ kind: 'serve-and-drop' }));
    await credits.release(releaseOf(reservation));
    server.behave(() => undefined);
    await resolveRemoteReservation(system.connection, reservation, 'not-charged');
    await credits.tidy(never, inHours(24));
    expect(server.credits(userId)).toBe(10);
    expect(await waitingReservation(reservation)).toBeUndefined();
  });

  test('a server that honours keys forgives a wrong finding', async () => {
    const honouring = await startCreditsServer({ apiKey: KEY, honoursKeys: true });
    const userId = uniqueName('user');
    honouring.setCredits(userId, 10);
    const own = new RemoteCredits(system.connection, new CreditsServer(honouring.url, KEY), logger);
    const reservation = await reserved(own, userId, 6);
    honouring.behave(onAddition({ kind: 'serve-and-drop' }));
    await own.release(releaseOf(reservation));
    honouring.behave(() => undefined);
    await resolveRemoteReservation(system.connection, reservation, 'charged');
    await own.tidy(never);
    expect(await waitingReservation(reservation)).toBeUndefined();
    expect(honouring.received.filter(({ operation }) => operation === 'add-credits')).toHaveLength(2);
    expect(honouring.credits(userId)).toBe(10);
    await honouring.close();
  });

  test('of a user that the server does not know any more, it waits for an operator', async () => {
    const userId = user(10);
    const reservation = await reserved(credits, userId, 6);
    const refusal = JSON.stringify({ success: false, error: 'User not found' });
    server.behave(onAddition({ kind: 'answer', status: 404, body: refusal }));
    await credits.release(releaseOf(reservation));
    await credits.tidy(never, inHours(24));
    expect(await waitingReservation(reservation)).toMatchObject({
      state: 'return-refused',
      problem: '404 User not found',
    });
    expect(changesReceived(userId)).toHaveLength(2);
  });

  test('a reservation that nobody finishes is released when it expires, less what was captured', async () => {
    const userId = user(10);
    const reservation = await reserved(credits, userId, 6);
    await credits.capture(captureOf(reservation, 2));
    await credits.tidy(never, inMinutes(9));
    expect(server.credits(userId)).toBe(4);
    await credits.tidy(never, inMinutes(11));
    expect(server.credits(userId)).toBe(8);
    expect(await credits.capture(captureOf(reservation, 1))).toEqual({ kind: 'not-open' });
    expect(await credits.release(releaseOf(reservation))).toEqual({ kind: 'not-open' });
  });
});

test('the state changes by the table only', async () => {
  const reservation = await reserved(credits, user(10), 6);
  const back = { from: ['reserved'], to: 'deducting' } as const;
  await expect(moveRemoteReservation(system.connection, reservation, back)).rejects.toThrow(
    ForbiddenTransitionError,
  );
});

function provider(timeoutMilliseconds?: number): RemoteCredits {
  return new RemoteCredits(
    system.connection,
    new CreditsServer(server.url, KEY, timeoutMilliseconds),
    logger,
  );
}

function user(amount: number): string {
  const userId = uniqueName('user');
  server.setCredits(userId, amount);
  return userId;
}

async function unknownDeduction(behaviour: CreditsBehaviour) {
  const userId = user(10);
  const request = reserveOf(userId, 3);
  server.behave(onDeduction(behaviour));
  expect(await provider(IMPATIENT).reserve(request)).toMatchObject({ kind: 'unknown' });
  server.behave(() => undefined);
  return { request, userId };
}

async function forOperator({ reference }: ReserveRequest) {
  const waiting = await findReservationsForOperator(system.connection, '', 1_000);
  return waiting.find((reservation) => reservation.reference === reference);
}

async function waitingReservation(id: string) {
  const waiting = await findReservationsForOperator(system.connection, '', 1_000);
  return waiting.find((reservation) => reservation._id === id);
}

/** Those of one user: upkeep of a later time also releases what other tests have left. */
function changesReceived(userId: string): ReceivedCall[] {
  return server.received.filter(
    ({ operation, body }) => operation !== 'user-info' && body.user_id === userId,
  );
}

function onDeduction(behaviour: CreditsBehaviour) {
  return ({ operation }: ReceivedCall) => (operation === 'deduct-credits' ? behaviour : undefined);
}

function onAddition(behaviour: CreditsBehaviour) {
  return ({ operation }: ReceivedCall) => (operation === 'add-credits' ? behaviour : undefined);
}

function inMinutes(minutes: number): Date {
  return new Date(Date.now() + minutes * 60_000);
}

function inHours(hours: number): Date {
  return inMinutes(hours * 60);
}
