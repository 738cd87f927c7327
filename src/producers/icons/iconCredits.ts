import { randomUUID } from 'node:crypto';
import type { Connection } from 'mongoose';
import type { CreditsProvider, ReserveOutcome } from '../../domain/credits/provider.ts';
import type { IconImage } from '../../domain/icons/icon.ts';
import { forgetReservation, intendReservation } from '../../models/iconReservations.ts';

/** Why no credits could be set aside; nothing was charged. */
export type CreditsRefusal =
  | { readonly kind: 'insufficient-credits' }
  | { readonly kind: 'no-credits-user' }
  | { readonly kind: 'credits-unavailable'; readonly reason: string };

export type IconReservation =
  /** Nothing when icons cost nothing. */
  { readonly kind: 'reserved'; readonly reservation_id: string | null } | CreditsRefusal;

const APP = 'Icons';
/** Longer than a batch takes whose queue is not paused. */
const RESERVED_HOURS = 24;
const RESERVED_MILLISECONDS = RESERVED_HOURS * 3_600_000;
/** A call with its storing, and a rerun after a kill, end within this time. */
const LAST_CALL_MILLISECONDS = 600_000;

/** Why an icon is not made any more that waited for longer than its credits were set aside. */
export const CREDITS_CAME_BACK = `It waited for more than ${RESERVED_HOURS} hours and its credits have come back: ask for it again`;

/** What icons cost: the sum is set aside at the start, each delivered icon takes its share, the rest is given back. */
export class IconCredits {
  readonly #connection: Connection;
  readonly #provider: CreditsProvider;
  /** Whole credits for one icon. */
  readonly price: number;

  constructor(connection: Connection, provider: CreditsProvider, price: number) {
    this.#connection = connection;
    this.#provider = provider;
    this.price = price;
  }

  /**
   * Sets the price of that many icons aside. They are kept with it, in the transaction that calls `takeReservation`, or it is
   * given up; what neither happens to, because the answer was lost or the process killed, the sweep gives back.
   */
  async reserve(userId: string | undefined, icons: number): Promise<IconReservation> {
    if (this.price === 0) return { kind: 'reserved', reservation_id: null };
    if (userId === undefined) return { kind: 'no-credits-user' };
    const reference = `icons-${randomUUID()}`;
    const intended = this.#provider.reservationIdOf(reference);
    await intendReservation(this.#connection, intended);
    const outcome = await this.#provider.reserve({
      reference,
      user_id: userId,
      amount: this.price * icons,
      app_name: APP,
      description: icons === 1 ? 'An icon' : `${icons} icons`,
      expires_in_milliseconds: RESERVED_MILLISECONDS,
    });
    if (isWithoutEffect(outcome)) await forgetReservation(this.#connection, intended);
    switch (outcome.kind) {
      case 'reserved':
        return { kind: 'reserved', reservation_id: outcome.reservation_id };
      case 'insufficient':
        return { kind: 'insufficient-credits' };
      case 'unknown-user':
        return { kind: 'no-credits-user' };
      case 'unavailable':
      case 'unknown':
        return { kind: 'credits-unavailable', reason: outcome.reason };
    }
  }

  /** Whether the credits of an icon may have come back by themselves before it could be delivered. */
  comeBackTooSoon({ credits, reservation_id, asked_at }: IconImage): boolean {
    if (credits === 0 || reservation_id === null) return false;
    return Date.now() > asked_at + RESERVED_MILLISECONDS - LAST_CALL_MILLISECONDS;
  }

  /**
   * Takes an icon's share, once. Whatever the answer, the icon is delivered: it was made.
   *
   * @returns false when it could not be taken, because the reservation has expired
   */
  async capture(image: IconImage): Promise<boolean> {
    if (image.credits === 0 || image.reservation_id === null) return true;
    const outcome = await this.#provider.capture({
      reference: `icon-${image.image_id}-${image.reservation_id}`,
      reservation_id: image.reservation_id,
      amount: image.credits,
      description: `Icon: ${image.category}`,
      project_code: null,
    });
    return outcome.kind === 'captured';
  }

  /** Gives back what was set aside for icons that are not kept, or not made. May be repeated. */
  async giveUp(reservationId: string | null): Promise<void> {
    if (reservationId === null) return;
    await this.release(reservationId);
    await forgetReservation(this.#connection, reservationId);
  }

  /** Gives back what was not taken. May be repeated. */
  async release(reservationId: string | null): Promise<void> {
    if (reservationId === null) return;
    await this.#provider.release({
      reference: `icons-release-${reservationId}`,
      reservation_id: reservationId,
    });
  }
}

function isWithoutEffect({ kind }: ReserveOutcome): boolean {
  return kind !== 'reserved' && kind !== 'unknown';
}
