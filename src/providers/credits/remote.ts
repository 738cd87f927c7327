import { randomUUID } from 'node:crypto';
import type { ClientSession, Connection } from 'mongoose';
import type { Logger } from 'pino';
import {
  type CaptureOutcome,
  type CaptureRequest,
  type CreditsProvider,
  ReferenceReusedError,
  type ReleaseOutcome,
  type ReleaseRequest,
  type ReserveOutcome,
  type ReserveRequest,
} from '../../domain/credits/provider.ts';
import { addRemoteCapture, findRemoteCapture, type RemoteCapture } from '../../models/remoteCaptures.ts';
import {
  addRemoteReservation,
  expireUncertain,
  findDueReturns,
  findRemoteReservation,
  giveUpLostCalls,
  moveRemoteReservation,
  postponeReturn,
  type RemoteReservation,
  type RemoteReservationMove,
  releaseExpired,
  takeFromReservation,
} from '../../models/remoteReservations.ts';
import { inTransaction } from '../../models/transaction.ts';
import { CREDITS_REQUEST_TIMEOUT_MILLISECONDS, type CreditsServer } from '../../platforms/creditsServer.ts';
import { callId } from './callId.ts';
import { captureRefusal, moveByDeduction, moveByReturn, nextReturn, reserveOutcome } from './remoteMoves.ts';

/** A call that has written down no answer by then ended without one: its process was killed, or had lost MongoDB. */
const CALL_LIMIT_MILLISECONDS = 60_000;
const RETURN_PAGE = 100;
/** A reservation asks the server, and then changes something there. */
export const LONGEST_RESERVE_MILLISECONDS = 2 * CREDITS_REQUEST_TIMEOUT_MILLISECONDS;
/** What a server of ours takes; a longer one would be refused for good. */
const LONGEST_DESCRIPTION = 1_000;

/**
 * Credits on another server that speaks the contract, which knows no holds: a reservation is a deduction, captures are
 * written down here only, and a release adds back what was not captured. A change of which nobody knows whether it was
 * made is never sent again by itself; it waits for an operator (`npm run credits -- unknown`).
 */
export class RemoteCredits implements CreditsProvider {
  readonly #connection: Connection;
  readonly #server: CreditsServer;
  readonly #logger: Logger;

  constructor(connection: Connection, server: CreditsServer, logger: Logger) {
    this.#connection = connection;
    this.#server = server;
    this.#logger = logger;
  }

  reservationIdOf(reference: string): string {
    return callId('reserve', reference);
  }

  async reserve(request: ReserveRequest): Promise<ReserveOutcome> {
    const id = this.reservationIdOf(request.reference);
    const known = await this.#findSame(id, request);
    if (known && known.state !== 'unavailable') return reserveOutcome(known);
    const obstacle = await this.#server.findObstacle(request.user_id);
    if (obstacle !== undefined) {
      this.#logger.warn({ reason: obstacle }, 'The credits server does not serve');
      return { kind: 'unavailable', reason: obstacle };
    }
    const intent = await this.#intendDeduction(id, request, known);
    if (!intent) {
      const faster = await this.#findSame(id, request);
      return faster ? reserveOutcome(faster) : { kind: 'unavailable', reason: 'it is being made' };
    }
    const { user_id, amount, app_name, description } = request;
    const outcome = await this.#server.deduct(
      { user_id, amount, app_name, description },
      `${id}-deduct-${intent.failures}`,
    );
    return reserveOutcome(await this.#settle(intent, moveByDeduction(intent, outcome)));
  }

  async capture(request: CaptureRequest): Promise<CaptureOutcome> {
    const { reference, ...what } = request;
    const capture = { _id: callId('capture', reference), ...what };
    return inTransaction(this.#connection, async (session) => {
      const earlier = await findRemoteCapture(this.#connection, capture._id, session);
      if (earlier) {
        if (!isSameCapture(earlier, request)) throw new ReferenceReusedError(reference);
        return { kind: 'captured' };
      }
      return this.#takeCapture({ ...capture, at: new Date() }, session);
    });
  }

  /** The rest is added back at once, or by upkeep when the other server is away; the caller has nothing more to do. */
  async release({ reference, reservation_id: id }: ReleaseRequest): Promise<ReleaseOutcome> {
    const due = await moveRemoteReservation(this.#connection, id, {
      from: ['reserved'],
      to: 'return-due',
      changes: { due_at: new Date(), release_reference: reference },
    });
    if (due) {
      await this.#giveBack(due);
      return { kind: 'released', returned: due.remaining };
    }
    const known = await findRemoteReservation(this.#connection, id);
    if (!known) return { kind: 'unknown-reservation' };
    await expireUncertain(this.#connection, id, new Date());
    if (known.release_reference !== reference) return { kind: 'not-open' };
    return { kind: 'released', returned: known.remaining };
  }

  /**
   * Puts right what a crash or an outage has left: calls without an answer are given to the operator, reservations that
   * have expired are released, and what is due is added back. Any number of processes may do it at once.
   *
   * @throws the signal's reason when it aborts between two calls
   * @throws ServiceUnavailableError when MongoDB is away
   */
  async tidy(signal: AbortSignal, now: Date = new Date()): Promise<void> {
    const lost = await giveUpLostCalls(this.#connection, now);
    if (lost > 0) {
      this.#logger.error({ lost }, 'Calls to the credits server ended without an answer: npm run credits');
    }
    await releaseExpired(this.#connection, now);
    for (;;) {
      const page = await findDueReturns(this.#connection, now, RETURN_PAGE);
      for (const due of page) {
        signal.throwIfAborted();
        // The others would wait for the same server.
        if (!(await this.#giveBack(due))) return;
      }
      if (page.length < RETURN_PAGE) return;
    }
  }

  async #takeCapture(capture: RemoteCapture, session: ClientSession): Promise<CaptureOutcome> {
    const { reservation_id: id, amount, at } = capture;
    const taken = await takeFromReservation(this.#connection, id, amount, at, session);
    if (!taken) return captureRefusal(await findRemoteReservation(this.#connection, id, session), at);
    await addRemoteCapture(this.#connection, capture, session);
    if (taken.remaining === 0) {
      const whole = { from: ['reserved'], to: 'closed' } as const;
      await moveRemoteReservation(this.#connection, id, whole, session);
    }
    return { kind: 'captured' };
  }

  async #findSame(id: string, request: ReserveRequest): Promise<RemoteReservation | undefined> {
    const found = await findRemoteReservation(this.#connection, id);
    if (!found) return undefined;
    if (!isSameReservation(found, request)) throw new ReferenceReusedError(request.reference);
    const now = new Date();
    if (found.state !== 'deducting' || (found.due_at && found.due_at > now)) return found;
    await giveUpLostCalls(this.#connection, now);
    return findRemoteReservation(this.#connection, id);
  }

  /** @returns nothing when another call was faster */
  async #intendDeduction(
    id: string,
    request: ReserveRequest,
    known: RemoteReservation | undefined,
  ): Promise<RemoteReservation | undefined> {
    const now = Date.now();
    const expiresAt = new Date(now + request.expires_in_milliseconds);
    const changes = { ...newCall(), expires_at: expiresAt };
    if (known) {
      return moveRemoteReservation(this.#connection, id, { from: ['unavailable'], to: 'deducting', changes });
    }
    const intent: RemoteReservation = {
      _id: id,
      ...request,
      ...changes,
      created_at: new Date(now),
      state: 'deducting',
      remaining: request.amount,
      failures: 0,
    };
    return (await addRemoteReservation(this.#connection, intent)) ? intent : undefined;
  }

  /** @returns whether the server serves others too */
  async #giveBack(due: RemoteReservation): Promise<boolean> {
    const obstacle = await this.#server.findObstacle(due.user_id);
    if (obstacle !== undefined) {
      await postponeReturn(this.#connection, due._id, nextReturn(due, obstacle));
      this.#logger.warn({ reservation_id: due._id, reason: obstacle }, 'Credits are not added back yet');
      return false;
    }
    const intent = await moveRemoteReservation(this.#connection, due._id, {
      from: ['return-due'],
      to: 'returning',
      changes: newCall(),
    });
    if (!intent) return true;
    const outcome = await this.#server.add(
      {
        user_id: intent.user_id,
        amount: intent.remaining,
        transaction_type: 'adjustment',
        description: `Not used: ${intent.description}`.slice(0, LONGEST_DESCRIPTION),
      },
      `${intent._id}-return-${intent.failures}`,
    );
    await this.#settle(intent, moveByReturn(intent, outcome));
    return outcome.kind !== 'unavailable';
  }

  /** Writes down how a call ended. @returns the reservation as it is now */
  async #settle(intent: RemoteReservation, move: RemoteReservationMove): Promise<RemoteReservation> {
    const { _id: id, call } = intent;
    const settled = await moveRemoteReservation(this.#connection, id, {
      ...move,
      ...(call === undefined ? {} : { call }),
    });
    const context = { reservation_id: id, user_id: intent.user_id, state: move.to };
    if (!settled) {
      this.#logger.error(context, 'An answer of the credits server came after its call was given up');
      return (await findRemoteReservation(this.#connection, id)) ?? intent;
    }
    if (settled.problem !== undefined) {
      this.#logger.warn({ ...context, reason: settled.problem }, 'A change of remote credits was not made');
    }
    return settled;
  }
}

function newCall(): { readonly call: string; readonly due_at: Date } {
  return { call: randomUUID(), due_at: new Date(Date.now() + CALL_LIMIT_MILLISECONDS) };
}

function isSameReservation(known: RemoteReservation, request: ReserveRequest): boolean {
  return (
    known.user_id === request.user_id &&
    known.amount === request.amount &&
    known.app_name === request.app_name &&
    known.description === request.description &&
    known.expires_in_milliseconds === request.expires_in_milliseconds
  );
}

function isSameCapture(
  known: Pick<CaptureRequest, 'reservation_id' | 'amount' | 'description' | 'project_code'>,
  request: CaptureRequest,
): boolean {
  return (
    known.reservation_id === request.reservation_id &&
    known.amount === request.amount &&
    known.description === request.description &&
    known.project_code === request.project_code
  );
}
