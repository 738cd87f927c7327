/**
 * How other domains charge credits, wherever these are kept: set a sum aside first, take from it what was used, give back
 * the rest.
 *
 * The caller chooses a `reference` for each call and keeps it for every repeat: the call then has one effect and gives one
 * answer, so a job may be run any number of times. References are unique over all callers and users.
 */
export interface CreditsProvider {
  /** The id that a reservation made with the reference has, known before it is made. */
  reservationIdOf(reference: string): string;
  /**
   * Sets a sum aside. A refusal is an answer like any other: who wants to try again after a top-up takes another reference.
   * After `unavailable` the same reference may be used again.
   *
   * @throws ReferenceReusedError when the reference belongs to another request
   * @throws ServiceUnavailableError when MongoDB is away
   */
  reserve(request: ReserveRequest): Promise<ReserveOutcome>;
  /**
   * Takes a part of what was set aside, for good.
   *
   * @throws ReferenceReusedError when the reference belongs to another request
   * @throws ServiceUnavailableError when MongoDB is away
   */
  capture(request: CaptureRequest): Promise<CaptureOutcome>;
  /**
   * Gives back what was not captured. What was given back by expiry, or captured to the last credit, is `not-open`. So is what
   * nobody knows to have been charged; it comes back as soon as that is known.
   *
   * @throws ServiceUnavailableError when MongoDB is away
   */
  release(request: ReleaseRequest): Promise<ReleaseOutcome>;
}

export interface ReserveRequest {
  readonly reference: string;
  readonly user_id: string;
  /** Whole credits, from 1 up. */
  readonly amount: number;
  /** At most 100 characters. */
  readonly app_name: string;
  /** At most 1,000 characters. */
  readonly description: string;
  /** After this time what is neither captured nor released comes back by itself. */
  readonly expires_in_milliseconds: number;
}

export type ReserveOutcome =
  | { readonly kind: 'reserved'; readonly reservation_id: string }
  | { readonly kind: 'insufficient' }
  /** A remote server tells nobody whether it knows a user; there it is `insufficient`. */
  | { readonly kind: 'unknown-user' }
  /** Nothing was charged by this call. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** Perhaps charged: it waits for an operator, and what was to be paid must not begin. */
  | { readonly kind: 'unknown'; readonly reason: string };

export interface CaptureRequest {
  readonly reference: string;
  readonly reservation_id: string;
  /** Whole credits, from 1 up. */
  readonly amount: number;
  readonly description: string;
  readonly project_code: string | null;
}

export type CaptureOutcome =
  | { readonly kind: 'captured' }
  /** Released, expired, captured whole, or never made. */
  | { readonly kind: 'not-open' }
  | { readonly kind: 'more-than-reserved' }
  | { readonly kind: 'unknown-reservation' };

export interface ReleaseRequest {
  readonly reference: string;
  readonly reservation_id: string;
}

export type ReleaseOutcome =
  | { readonly kind: 'released'; readonly returned: number }
  | { readonly kind: 'not-open' }
  | { readonly kind: 'unknown-reservation' };

/** A reference was used before, for a request with other contents: a defect of the caller. */
export class ReferenceReusedError extends Error {
  override name = 'ReferenceReusedError';

  constructor(reference: string) {
    super(`The reference ${JSON.stringify(reference)} belongs to another request`);
  }
}
