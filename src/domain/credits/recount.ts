import type { CreditAccount } from './account.ts';
import type { Balance, GrantPart, Movement } from './ledger.ts';

/** Where the stored ledger and its movements differ. */
export interface LedgerDrift {
  readonly kind: /** The entries of a movement do not sum to zero. */
    | 'unbalanced'
    /** What a movement says the user had after it is not what it had before plus its entries. */
    | 'chain'
    /** A number of the user's movements is missing, or there twice. */
    | 'gap'
    | 'negative'
    | 'available'
    | 'held'
    /** What is left of a grant. */
    | 'grant'
    /** A hold's amount, what was captured of it, or what is left of it. */
    | 'hold'
    /** What a user has held is not what its open holds set aside. */
    | 'open-holds'
    /** A movement names a user, a hold or a movement that is not there. */
    | 'missing'
    /** A refund is not what it refunds. */
    | 'refund';
  /** An account of the ledger, `hold:<id>` or `movement:<id>`. */
  readonly account: string;
  /** The movement that shows it, where there is one. */
  readonly movement_id?: string | undefined;
  /** As it is stored. */
  readonly stored: number;
  /** By the movements. */
  readonly recounted: number;
}

/** The sum of the entries, which has to be zero. */
export function sumOfEntries(movement: Movement): number {
  return movement.entries.reduce((sum, entry) => sum + entry.amount, 0);
}

/** What a movement changes in a user's grants: credits that came in are positive. */
export function grantChanges(movement: Movement, userId: string): GrantPart[] {
  const { kind, movement_id, expires_at, granted = [] } = movement;
  switch (kind) {
    case 'addition': {
      if (expires_at === undefined) return [];
      return [{ movement_id, expires_at, amount: amountIn(movement, `user:${userId}`) }];
    }
    case 'release':
    case 'refund':
      return [...granted];
    case 'deduction':
    case 'hold':
    case 'expiry':
      return granted.map((part) => ({ ...part, amount: -part.amount }));
    case 'transfer': {
      const received = amountIn(movement, `user:${userId}`) > 0;
      return granted.map((part) => (received ? { ...part, movement_id } : { ...part, amount: -part.amount }));
    }
    default:
      // What is captured was held, and left its grant then.
      return [];
  }
}

/** Counts a user's movements anew, one after the other, as far as the stored account goes. */
export class UserRecount {
  readonly #account: CreditAccount;
  readonly #grants: Map<string, number>;
  #before: Balance;
  #available = 0;
  #held = 0;

  constructor(account: CreditAccount) {
    this.#account = account;
    this.#before = { user_id: account.user_id, available: 0, held: 0, version: 0 };
    this.#grants = new Map(account.grants.map((grant) => [grantKey(grant), 0]));
  }

  /** Takes the next of the user's movements, in the order of ids. One that is newer than the account is left out. */
  add(movement: Movement): LedgerDrift[] {
    const { user_id } = this.#account;
    const stated = movement.balances.find((balance) => balance.user_id === user_id);
    if (!stated || stated.version > this.#account.version) return [];
    const user = amountIn(movement, `user:${user_id}`);
    const held = amountIn(movement, `held:${user_id}`);
    const before = this.#before;
    this.#before = stated;
    this.#available += user;
    this.#held += held;
    for (const part of grantChanges(movement, user_id)) {
      const key = grantKey(part);
      const known = this.#grants.get(key);
      if (known !== undefined) this.#grants.set(key, known + part.amount);
    }
    const drift = (
      kind: LedgerDrift['kind'],
      column: 'user' | 'held',
      stored: number,
      recounted: number,
    ) => ({
      kind,
      account: `${column}:${user_id}`,
      movement_id: movement.movement_id,
      stored,
      recounted,
    });
    // Behind a gap nothing can be said about the step.
    if (stated.version !== before.version + 1) {
      return [drift('gap', 'user', stated.version, before.version + 1)];
    }
    return [
      ...differing(drift, 'chain', 'user', stated.available, before.available + user),
      ...differing(drift, 'chain', 'held', stated.held, before.held + held),
      ...(stated.available < 0 ? [drift('negative', 'user', stated.available, 0)] : []),
      ...(stated.held < 0 ? [drift('negative', 'held', stated.held, 0)] : []),
    ];
  }

  /** What is left to be said when all movements are counted. */
  end(): LedgerDrift[] {
    const { user_id, available, held, version, grants } = this.#account;
    const drift = (
      kind: LedgerDrift['kind'],
      column: 'user' | 'held',
      stored: number,
      recounted: number,
    ) => ({
      kind,
      account: `${column}:${user_id}`,
      stored,
      recounted,
    });
    return [
      ...differing(drift, 'available', 'user', available, this.#available),
      ...differing(drift, 'held', 'held', held, this.#held),
      ...differing(drift, 'gap', 'user', version, this.#before.version),
      ...grants.flatMap((grant) =>
        differing(drift, 'grant', 'user', grant.remaining, this.#grants.get(grantKey(grant)) ?? 0),
      ),
    ];
  }
}

function differing(
  drift: (
    kind: LedgerDrift['kind'],
    column: 'user' | 'held',
    stored: number,
    recounted: number,
  ) => LedgerDrift,
  kind: LedgerDrift['kind'],
  column: 'user' | 'held',
  stored: number,
  recounted: number,
): LedgerDrift[] {
  return stored === recounted ? [] : [drift(kind, column, stored, recounted)];
}

function amountIn(movement: Movement, account: string): number {
  return movement.entries.reduce((sum, entry) => (entry.account === account ? sum + entry.amount : sum), 0);
}

function grantKey(grant: Pick<GrantPart, 'movement_id' | 'expires_at'>): string {
  return `${grant.movement_id} ${grant.expires_at}`;
}
