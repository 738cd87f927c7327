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
  /** What is left of the grants of which anything is left. */
  readonly #grants = new Map<string, number>();
  #before: Balance;
  #available = 0;
  #held = 0;

  constructor(account: CreditAccount) {
    this.#account = account;
    this.#before = { user_id: account.user_id, available: 0, held: 0, version: 0 };
  }

  /** Takes the next of the user's movements, in the order of ids. One that is newer than the account is left out. */
  add(movement: Movement): LedgerDrift[] {
    const { user_id } = this.#account;
    const stated = movement.balances.find((balance) => balance.user_id === user_id);
    if (!stated || stated.version > this.#account.version) return [];
    const available = amountIn(movement, `user:${user_id}`);
    const held = amountIn(movement, `held:${user_id}`);
    const before = this.#before;
    this.#before = stated;
    this.#available += available;
    this.#held += held;
    for (const part of grantChanges(movement, user_id)) this.#changeGrant(grantKey(part), part.amount);
    // Behind a gap nothing can be said about the step.
    const gap = this.#compare('gap', 'user', stated.version, before.version + 1);
    const drifts =
      gap.length > 0
        ? gap
        : [
            ...this.#compare('chain', 'user', stated.available, before.available + available),
            ...this.#compare('chain', 'held', stated.held, before.held + held),
            ...this.#compare('negative', 'user', Math.min(0, stated.available), 0),
            ...this.#compare('negative', 'held', Math.min(0, stated.held), 0),
          ];
    return drifts.map((drift) => ({ ...drift, movement_id: movement.movement_id }));
  }

  /** What is left to be said when all movements are counted. */
  end(): LedgerDrift[] {
    const { available, held, version } = this.#account;
    const grants = new Map(this.#account.grants.map((grant) => [grantKey(grant), grant.remaining]));
    return [
      ...this.#compare('available', 'user', available, this.#available),
      ...this.#compare('held', 'held', held, this.#held),
      ...this.#compare('gap', 'user', version, this.#before.version),
      ...[...new Set([...grants.keys(), ...this.#grants.keys()])].flatMap((key) =>
        this.#compare('grant', 'user', grants.get(key) ?? 0, this.#grants.get(key) ?? 0),
      ),
    ];
  }

  #changeGrant(key: string, amount: number): void {
    const left = (this.#grants.get(key) ?? 0) + amount;
    if (left === 0) this.#grants.delete(key);
    else this.#grants.set(key, left);
  }

  #compare(
    kind: LedgerDrift['kind'],
    column: 'user' | 'held',
    stored: number,
    recounted: number,
  ): LedgerDrift[] {
    if (stored === recounted) return [];
    return [{ kind, account: `${column}:${this.#account.user_id}`, stored, recounted }];
  }
}

function amountIn(movement: Movement, account: string): number {
  return movement.entries.reduce((sum, entry) => (entry.account === account ? sum + entry.amount : sum), 0);
}

function grantKey(grant: Pick<GrantPart, 'movement_id' | 'expires_at'>): string {
  return `${grant.movement_id} ${grant.expires_at}`;
}
