import type { LedgerOutcome, LedgerRefusal } from '../../../domain/credits/ledger.ts';
import { HttpError } from '../../errors.ts';

interface Answer {
  readonly status: number;
  readonly message: string;
}

/**
 * What the new endpoints answer when the ledger refuses. 409 where the state of the thing named stands against it, 422
 * where the request itself can never be carried out as it is.
 */
const ANSWERS: Record<LedgerRefusal, Answer> = {
  'unknown-user': { status: 404, message: 'There is no such user' },
  'insufficient-credits': { status: 402, message: 'The user has fewer credits than that' },
  'unknown-hold': { status: 404, message: 'There is no such hold' },
  'hold-not-open': { status: 409, message: 'The hold is not open any more' },
  'more-than-held': { status: 422, message: 'That is more than is left of the hold' },
  'unknown-movement': { status: 404, message: 'There is no such movement' },
  'not-refundable': { status: 409, message: 'Only a deduction or a capture can be refunded' },
  'already-refunded': { status: 409, message: 'The movement was refunded before' },
  'same-user': { status: 422, message: 'A transfer needs two different users' },
  'already-expired': { status: 422, message: 'The end lies in the past' },
  'too-many-grants': {
    status: 409,
    message: 'The user has as many expiring grants as one may have at a time',
  },
  'balance-too-large': {
    status: 409,
    message: 'The balance would become larger than can be counted exactly',
  },
};

/** A command that the ledger refused, as problem details. The member `reason` is for programs. */
export class LedgerRefusalError extends HttpError {
  override name = 'LedgerRefusalError';
  readonly status: number;
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(reason: LedgerRefusal, details: Readonly<Record<string, unknown>> = {}) {
    super(ANSWERS[reason].message);
    this.status = ANSWERS[reason].status;
    this.#members = { reason, ...details };
  }

  override get members(): Readonly<Record<string, unknown>> {
    return this.#members;
  }
}

/** What stands against it is named, so that the client need not ask. */
export function refusedByLedger(refused: Extract<LedgerOutcome, { kind: 'refused' }>): LedgerRefusalError {
  const { reason, user_id, hold, refunded_by } = refused;
  return new LedgerRefusalError(reason, {
    ...(user_id === undefined ? {} : { user_id }),
    ...(hold ? { hold_status: hold.status, captured: hold.captured, amount: hold.amount } : {}),
    ...(refunded_by === undefined ? {} : { refund_movement_id: refunded_by }),
  });
}
