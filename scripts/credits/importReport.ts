import type { ImportedUser, ImportedUserOutcome } from '../../src/models/ledgerImport.ts';

const KINDS = ['bad', 'balance-too-large', 'exists', 'imported'] as const satisfies readonly (
  | ImportedUserOutcome
  | 'bad'
)[];
type Kind = (typeof KINDS)[number];

/** Lines printed of each kind; the rest of a big file is only counted. */
const PRINTED: Record<Kind, number> = { bad: 100, 'balance-too-large': 100, exists: 100, imported: 20 };

/** What an import does, line by line for the first ones of each kind, and in sum. */
export class ImportReport {
  readonly #print: (line: string) => void;
  readonly #counts: Record<Kind, number> = { bad: 0, 'balance-too-large': 0, exists: 0, imported: 0 };
  /** Many largest balances are more than a number holds exactly. */
  #credits = 0n;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** Lines that are no users, or whose credits cannot be taken. */
  get badLines(): number {
    return this.#counts.bad + this.#counts['balance-too-large'];
  }

  bad(line: number, reason: string): void {
    this.#count('bad', `line ${line}: bad: ${reason}`);
  }

  user(line: number, { user_id, credits }: ImportedUser, outcome: ImportedUserOutcome): void {
    if (outcome === 'imported') this.#credits += BigInt(credits);
    this.#count(outcome, `line ${line}: ${describe(outcome, JSON.stringify(user_id), credits)}`);
  }

  /** Says how many lines were only counted, and the sums. */
  end(imported: string): void {
    for (const kind of KINDS) {
      const silent = this.#counts[kind] - PRINTED[kind];
      if (silent > 0) this.#print(`… and ${silent} more of "${kind}"`);
    }
    this.#print(this.summary(imported));
  }

  /** @param imported - what becomes of the new users, such as `to import` */
  summary(imported: string): string {
    const { imported: added, exists } = this.#counts;
    return `${added} ${imported} with ${this.#credits} credits in all, ${exists} there already, ${this.badLines} bad`;
  }

  #count(kind: Kind, line: string): void {
    this.#counts[kind] += 1;
    if (this.#counts[kind] <= PRINTED[kind]) this.#print(line);
  }
}

function describe(outcome: ImportedUserOutcome, user: string, credits: number): string {
  switch (outcome) {
    case 'imported':
      return `import ${user} with ${credits}`;
    case 'exists':
      return `${user} is there already and stays as it is`;
    case 'balance-too-large':
      return `bad: ${credits} are more credits than can be counted exactly`;
  }
}
