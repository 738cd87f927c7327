/**
 * A reservation on a server that knows no holds: the sum is deducted at once, and what was not used is added back.
 *
 * Neither call may be repeated when nobody knows what became of it, so the intent is written before each (`deducting`,
 * `returning`); an answer settles it, and whatever stays without one waits for an operator (`…-unknown`).
 */
export type RemoteReservationState =
  | 'deducting'
  | 'reserved'
  /** The server does not deduct the sum: too few credits, or nobody of that name. */
  | 'refused'
  /** Nothing was deducted, for a reason that may pass. */
  | 'unavailable'
  | 'deduct-unknown'
  | 'return-due'
  | 'returning'
  | 'return-unknown'
  /** The server does not take the rest back, and would not on a repeat. */
  | 'return-refused'
  /** Captured whole, or the rest was added back. */
  | 'closed';

/** From each state to those that may follow. The only way for a state to change. */
export const REMOTE_RESERVATION_TRANSITIONS: Readonly<
  Record<RemoteReservationState, readonly RemoteReservationState[]>
> = {
  deducting: ['reserved', 'refused', 'unavailable', 'deduct-unknown'],
  // By an answer that comes late, or by an operator.
  'deduct-unknown': ['reserved', 'refused', 'unavailable'],
  unavailable: ['deducting'],
  refused: [],
  reserved: ['return-due', 'closed'],
  'return-due': ['returning'],
  returning: ['closed', 'return-due', 'return-unknown', 'return-refused'],
  'return-unknown': ['closed', 'return-due', 'return-refused'],
  'return-refused': ['closed', 'return-due'],
  closed: [],
};

/** What waits for an operator. */
export const OPERATOR_STATES = [
  'deduct-unknown',
  'return-unknown',
  'return-refused',
] as const satisfies readonly RemoteReservationState[];
export type OperatorState = (typeof OPERATOR_STATES)[number];

/** What an operator found out: whether the sum in question is off the user's balance. */
export type Finding = 'charged' | 'not-charged';

/** Where a finding leads. */
export const FINDINGS: Readonly<Record<OperatorState, Readonly<Record<Finding, RemoteReservationState>>>> = {
  'deduct-unknown': { charged: 'reserved', 'not-charged': 'unavailable' },
  'return-unknown': { charged: 'return-due', 'not-charged': 'closed' },
  'return-refused': { charged: 'return-due', 'not-charged': 'closed' },
};
