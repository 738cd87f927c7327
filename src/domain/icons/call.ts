export const CALL_OUTCOMES = ['pending', 'delivered', 'refused', 'unknown'] as const;
export type CallOutcome = (typeof CALL_OUTCOMES)[number];

/**
 * The only ways from one outcome to another. `unknown` stays, even when the image turns up later: the call was followed by
 * another one meanwhile, and the list of unknown outcomes is what people compare the provider's bill with.
 */
export const CALL_TRANSITIONS: Readonly<Record<CallOutcome, readonly CallOutcome[]>> = {
  pending: ['delivered', 'refused', 'unknown'],
  delivered: [],
  refused: [],
  unknown: [],
};

/** One call of a paid provider: written down before it is made. Times are milliseconds since 1970 UTC. */
export interface IconCall {
  readonly call_id: string;
  /** For which image it was made; others may have got the same icon from it. */
  readonly image_id: string;
  readonly batch_id: string | null;
  readonly owner: string;
  readonly content_key: string;
  readonly model: string;
  readonly outcome: CallOutcome;
  /** What is known about the outcome, for people. */
  readonly detail: string | null;
  /** Tokens that were charged, where the answer says. */
  readonly tokens: number | null;
  readonly begun_at: number;
  readonly ended_at: number | null;
}
