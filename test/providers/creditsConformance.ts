import { describe, expect, test } from 'vitest';
import {
  type CaptureRequest,
  type CreditsProvider,
  ReferenceReusedError,
  type ReserveRequest,
} from '../../src/domain/credits/provider.ts';
import { letOwnTimePass } from '../support/letTimePass.ts';
import { uniqueName } from '../support/testSystem.ts';

/** A provider with somewhere to keep credits behind it. */
export interface ProviderUnderTest {
  readonly provider: CreditsProvider;
  /** @returns the new user's id */
  addUser(credits: number): Promise<string>;
  topUp(userId: string, credits: number): Promise<void>;
  /** What the user can spend. */
  creditsOf(userId: string): Promise<number>;
  /** The answer for a user that nobody knows. */
  readonly unknownUser: 'unknown-user' | 'insufficient';
}

/** What every provider does. */
export function testsOfEveryProvider(underTest: () => ProviderUnderTest): void {
  describe('reserve, capture, release', () => {
    test('a sum is set aside, taken in parts, and the rest comes back', async () => {
      const { provider, addUser, creditsOf } = underTest();
      const user = await addUser(20);
      const reservation = await reserved(provider, user, 12);
      expect(await creditsOf(user)).toBe(8);
      expect(await provider.capture(captureOf(reservation, 4))).toEqual({ kind: 'captured' });
      expect(await provider.capture(captureOf(reservation, 5))).toEqual({ kind: 'captured' });
      expect(await creditsOf(user)).toBe(8);
      expect(await provider.release(releaseOf(reservation))).toEqual({ kind: 'released', returned: 3 });
      expect(await creditsOf(user)).toBe(11);
    });

    test('of what was captured to the last credit nothing is left to release', async () => {
      const { provider, addUser, creditsOf } = underTest();
      const user = await addUser(5);
      const reservation = await reserved(provider, user, 5);
      await provider.capture(captureOf(reservation, 2));
      await provider.capture(captureOf(reservation, 3));
      expect(await provider.release(releaseOf(reservation))).toEqual({ kind: 'not-open' });
      expect(await provider.capture(captureOf(reservation, 1))).toEqual({ kind: 'not-open' });
      expect(await creditsOf(user)).toBe(0);
    });

    test('what was released cannot be captured', async () => {
      const { provider, addUser, creditsOf } = underTest();
      const user = await addUser(5);
      const reservation = await reserved(provider, user, 5);
      await provider.release(releaseOf(reservation));
      expect(await provider.capture(captureOf(reservation, 1))).toEqual({ kind: 'not-open' });
      expect(await creditsOf(user)).toBe(5);
    });

    test('what has expired cannot be captured', async () => {
      const { provider, addUser } = underTest();
      const reservation = await reserved(provider, await addUser(5), 5);
      letOwnTimePass();
      expect(await provider.capture(captureOf(reservation, 1))).toEqual({ kind: 'not-open' });
    });
  });

  describe('refusals', () => {
    test('too few credits: nothing changes, and the reference keeps its answer after a top-up', async () => {
      const { provider, addUser, topUp, creditsOf } = underTest();
      const user = await addUser(4);
      const request = reserveOf(user, 5);
      expect(await provider.reserve(request)).toEqual({ kind: 'insufficient' });
      expect(await creditsOf(user)).toBe(4);
      await topUp(user, 1);
      expect(await provider.reserve(request)).toEqual({ kind: 'insufficient' });
      expect(await creditsOf(user)).toBe(5);
      expect(await provider.reserve(reserveOf(user, 5))).toMatchObject({ kind: 'reserved' });
      expect(await creditsOf(user)).toBe(0);
    });

    test('a user that nobody knows', async () => {
      const { provider, unknownUser } = underTest();
      expect(await provider.reserve(reserveOf(uniqueName('nobody'), 1))).toEqual({ kind: unknownUser });
    });

    test('more than is left of the reservation', async () => {
      const { provider, addUser } = underTest();
      const reservation = await reserved(provider, await addUser(10), 6);
      await provider.capture(captureOf(reservation, 4));
      expect(await provider.capture(captureOf(reservation, 3))).toEqual({ kind: 'more-than-reserved' });
      expect(await provider.release(releaseOf(reservation))).toEqual({ kind: 'released', returned: 2 });
    });

    test('a reservation that was never made', async () => {
      const { provider } = underTest();
      const nothing = uniqueName('nothing');
      expect(await provider.capture(captureOf(nothing, 1))).toEqual({ kind: 'unknown-reservation' });
      expect(await provider.release(releaseOf(nothing))).toEqual({ kind: 'unknown-reservation' });
    });
  });

  describe('the same reference again', () => {
    test('has one effect and the same answer, step by step', async () => {
      const { provider, addUser, creditsOf } = underTest();
      const user = await addUser(10);
      const request = reserveOf(user, 6);
      const first = await provider.reserve(request);
      if (first.kind !== 'reserved') throw new Error(first.kind);
      expect(await provider.reserve(request)).toEqual(first);
      expect(await creditsOf(user)).toBe(4);

      const capture = captureOf(first.reservation_id, 2);
      const release = releaseOf(first.reservation_id);
      expect(await provider.capture(capture)).toEqual({ kind: 'captured' });
      expect(await provider.capture(capture)).toEqual({ kind: 'captured' });
      expect(await provider.release(release)).toEqual({ kind: 'released', returned: 4 });
      expect(await provider.release(release)).toEqual({ kind: 'released', returned: 4 });
      expect(await creditsOf(user)).toBe(8);

      expect(await provider.reserve(request)).toEqual(first);
      expect(await provider.capture(capture)).toEqual({ kind: 'captured' });
      expect(await provider.release(releaseOf(first.reservation_id))).toEqual({ kind: 'not-open' });
      expect(await creditsOf(user)).toBe(8);
    });

    test('many at once have one effect', async () => {
      const { provider, addUser, creditsOf } = underTest();
      const user = await addUser(100);
      const request = reserveOf(user, 7);
      const outcomes = await Promise.all(Array.from({ length: 12 }, () => provider.reserve(request)));
      for (const { kind } of outcomes) expect(['reserved', 'unavailable']).toContain(kind);
      const outcome = await provider.reserve(request);
      if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
      expect(outcomes).toContainEqual(outcome);
      expect(await creditsOf(user)).toBe(93);
      const capture = captureOf(outcome.reservation_id, 3);
      const captures = await Promise.all(Array.from({ length: 12 }, () => provider.capture(capture)));
      expect(captures).toEqual(Array.from({ length: 12 }, () => ({ kind: 'captured' })));
      expect(await provider.release(releaseOf(outcome.reservation_id))).toEqual({
        kind: 'released',
        returned: 4,
      });
    });

    test('with other contents it is refused as a defect', async () => {
      const { provider, addUser, creditsOf } = underTest();
      const user = await addUser(10);
      const request = reserveOf(user, 6);
      const outcome = await provider.reserve(request);
      if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
      const capture = captureOf(outcome.reservation_id, 2);
      await provider.capture(capture);
      await expect(provider.reserve({ ...request, amount: 5 })).rejects.toThrow(ReferenceReusedError);
      await expect(provider.capture({ ...capture, amount: 1 })).rejects.toThrow(ReferenceReusedError);
      expect(await creditsOf(user)).toBe(4);
    });
  });

  describe('at the same time', () => {
    test('of too many captures exactly those succeed for which there is enough', async () => {
      const { provider, addUser, creditsOf } = underTest();
      const user = await addUser(10);
      const reservation = await reserved(provider, user, 10);
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, () => provider.capture(captureOf(reservation, 1))),
      );
      expect(outcomes.filter(({ kind }) => kind === 'captured')).toHaveLength(10);
      expect(await creditsOf(user)).toBe(0);
    });

    test('captures and the release never give out more than was set aside', async () => {
      const { provider, addUser, creditsOf } = underTest();
      const user = await addUser(10);
      const reservation = await reserved(provider, user, 10);
      const [release, ...captures] = await Promise.all([
        provider.release(releaseOf(reservation)),
        ...Array.from({ length: 9 }, () => provider.capture(captureOf(reservation, 1))),
      ]);
      const captured = captures.filter(({ kind }) => kind === 'captured').length;
      expect(release).toEqual({ kind: 'released', returned: 10 - captured });
      expect(await creditsOf(user)).toBe(10 - captured);
    });
  });
}

export function reserveOf(
  userId: string,
  amount: number,
  more: Partial<ReserveRequest> = {},
): ReserveRequest {
  return {
    reference: uniqueName('reserve'),
    user_id: userId,
    amount,
    app_name: 'icons',
    description: 'Icon batch',
    expires_in_milliseconds: 600_000,
    ...more,
  };
}

export function captureOf(reservationId: string, amount: number): CaptureRequest {
  return {
    reference: uniqueName('capture'),
    reservation_id: reservationId,
    amount,
    description: 'Icon',
    project_code: null,
  };
}

export function releaseOf(reservationId: string): { reference: string; reservation_id: string } {
  return { reference: uniqueName('release'), reservation_id: reservationId };
}

/** @returns the id of a new reservation */
export async function reserved(provider: CreditsProvider, userId: string, amount: number): Promise<string> {
  const outcome = await provider.reserve(reserveOf(userId, amount));
  if (outcome.kind !== 'reserved') throw new Error(`Not reserved: ${outcome.kind}`);
  return outcome.reservation_id;
}
