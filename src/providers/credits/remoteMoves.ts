import type { CaptureOutcome, ReserveOutcome } from '../../domain/credits/provider.ts';
import type { RemoteReservation, RemoteReservationMove } from '../../models/remoteReservations.ts';
import type { CreditsCallOutcome } from '../../platforms/creditsServer.ts';

const FIRST_PAUSE_MILLISECONDS = 60_000;
const LONGEST_PAUSE_MILLISECONDS = 3_600_000;

/** What the answer to a deduction makes of its reservation. */
export function moveByDeduction(
  intent: RemoteReservation,
  outcome: CreditsCallOutcome,
): RemoteReservationMove {
  const from = ['deducting', 'deduct-unknown'] as const;
  switch (outcome.kind) {
    case 'done':
      return { from, to: 'reserved', changes: { due_at: intent.expires_at } };
    case 'refused':
      return { from, to: 'refused', changes: { problem: outcome.reason } };
    case 'unavailable':
      return {
        from,
        to: 'unavailable',
        changes: { problem: outcome.reason, failures: intent.failures + 1 },
      };
    case 'unknown':
      return { from: ['deducting'], to: 'deduct-unknown', changes: { problem: outcome.reason } };
  }
}

/** What the answer to an addition makes of its reservation. */
export function moveByReturn(intent: RemoteReservation, outcome: CreditsCallOutcome): RemoteReservationMove {
  const from = ['returning', 'return-unknown'] as const;
  switch (outcome.kind) {
    case 'done':
      return { from, to: 'closed' };
    case 'refused':
      return {
        from,
        to: 'return-refused',
        changes: { problem: outcome.reason, failures: intent.failures + 1 },
      };
    case 'unavailable':
      return { from, to: 'return-due', changes: nextReturn(intent, outcome.reason) };
    case 'unknown':
      return { from: ['returning'], to: 'return-unknown', changes: { problem: outcome.reason } };
  }
}

/** When what could not be added back is tried again. */
export function nextReturn(
  due: RemoteReservation,
  problem: string,
): { due_at: Date; failures: number; problem: string } {
  const pause = Math.min(FIRST_PAUSE_MILLISECONDS * 2 ** due.failures, LONGEST_PAUSE_MILLISECONDS);
  return { due_at: new Date(Date.now() + pause), failures: due.failures + 1, problem };
}

/** What the caller is told, on the first call and on every repeat. */
export function reserveOutcome(reservation: RemoteReservation): ReserveOutcome {
  const reason = reservation.problem ?? 'the other server did not serve';
  switch (reservation.state) {
    case 'deducting':
      return { kind: 'unavailable', reason: 'the same reservation is being made' };
    case 'refused':
      return { kind: 'insufficient' };
    case 'unavailable':
      return { kind: 'unavailable', reason };
    case 'deduct-unknown':
      return { kind: 'unknown', reason };
    case 'reserved':
    case 'return-due':
    case 'returning':
    case 'return-unknown':
    case 'return-refused':
    case 'closed':
      return { kind: 'reserved', reservation_id: reservation._id };
  }
}

/** Why nothing could be captured. */
export function captureRefusal(reservation: RemoteReservation | undefined, now: Date): CaptureOutcome {
  if (!reservation) return { kind: 'unknown-reservation' };
  const isOpen = reservation.state === 'reserved' && reservation.expires_at > now;
  return { kind: isOpen ? 'more-than-reserved' : 'not-open' };
}
