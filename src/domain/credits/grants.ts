import type { GrantPart } from './ledger.ts';
import { MOST_GRANTS, MOST_KEPT_GRANTS } from './limits.ts';

/** Credits with an end. A spent one stays while its user has holds, because what they set aside may return to it. */
export interface Grant {
  /** The movement that the credits came with. */
  readonly movement_id: string;
  readonly expires_at: number;
  readonly remaining: number;
}

/** Takes what ends soonest; what no grant covers is of credits without an end. */
export function takeFromGrants(
  grants: readonly Grant[],
  amount: number,
): { grants: Grant[]; taken: GrantPart[] } {
  let wanted = amount;
  const taken: GrantPart[] = [];
  const left = grants.map((grant) => {
    const part = Math.min(wanted, grant.remaining);
    if (part === 0) return grant;
    wanted -= part;
    taken.push({ movement_id: grant.movement_id, expires_at: grant.expires_at, amount: part });
    return { ...grant, remaining: grant.remaining - part };
  });
  return { grants: left, taken };
}

/** Takes from the parts of a hold, soonest first. */
export function takeFromParts(
  parts: readonly GrantPart[],
  amount: number,
): { left: GrantPart[]; taken: GrantPart[] } {
  const asGrants = parts.map(({ amount: remaining, ...part }) => ({ ...part, remaining }));
  const { grants, taken } = takeFromGrants(asGrants, amount);
  const left = grants
    .filter((grant) => grant.remaining > 0)
    .map(({ remaining, ...grant }) => ({ ...grant, amount: remaining }));
  return { left, taken };
}

/** Adds parts to the grants they came with; one that is not there any more is there again, for its lapse to be booked. */
export function addToGrants(grants: readonly Grant[], parts: readonly GrantPart[]): Grant[] {
  const all = [...grants];
  for (const { movement_id, expires_at, amount } of parts) {
    const index = all.findIndex(
      (grant) => grant.movement_id === movement_id && grant.expires_at === expires_at,
    );
    const known = all[index];
    if (known) all[index] = { ...known, remaining: known.remaining + amount };
    else all.push({ movement_id, expires_at, remaining: amount });
  }
  return all.sort(bySoonest);
}

/** Those that something is left of. */
export function unspent(grants: readonly Grant[]): Grant[] {
  return grants.filter((grant) => grant.remaining > 0);
}

/** Whether they are more than a user may be given. */
export function areTooMany(grants: readonly Grant[]): boolean {
  return unspent(grants).length > MOST_GRANTS || grants.length > MOST_KEPT_GRANTS;
}

export function remainingOf(grants: readonly Grant[]): number {
  return grants.reduce((sum, grant) => sum + grant.remaining, 0);
}

/** The order of ids decides between equal ends, so that every process takes them in the same order. */
function bySoonest(one: Grant, other: Grant): number {
  return one.expires_at - other.expires_at || (one.movement_id < other.movement_id ? -1 : 1);
}
