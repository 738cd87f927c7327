/** Most credits of one user, held ones included. The sum over thousands of such users is still counted exactly. */
export const MOST_CREDITS = 1_000_000_000_000;
/** Most grants of one user that have an end and something left, as far as they come by a grant or a transfer. */
export const MOST_GRANTS = 100;
/** Most that are kept of one user: with them spent ones to which a hold may give back, and what came back by refunds. */
export const MOST_KEPT_GRANTS = 500;
/** Most characters of a name or description: a batch of commands has to fit into a transaction. */
export const LONGEST_TEXT = 10_000;
/** The part of a new user's credits that is logged as a bonus. */
export const WELCOME_BONUS = 10;
