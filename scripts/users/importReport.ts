import type { ImportStep } from '../../src/domain/users/importStep.ts';

/** Lines printed of each kind; the rest of a big file is only counted. */
const PRINTED = { bad: 100, add: 20, update: 100, unchanged: 20 } as const;
type Kind = keyof typeof PRINTED;
const KINDS: readonly Kind[] = ['bad', 'add', 'update', 'unchanged'];

/** What an import does, line by line for the first ones of each kind, and in sum. */
export class ImportReport {
  readonly #mood: 'would' | 'did';
  readonly #print: (line: string) => void;
  readonly #counts: Record<Kind, number> = { bad: 0, add: 0, update: 0, unchanged: 0 };

  constructor(mood: 'would' | 'did', print: (line: string) => void) {
    this.#mood = mood;
    this.#print = print;
  }

  /** Lines that are no users, or in conflict with users who are there. */
  get badLines(): number {
    return this.#counts.bad;
  }

  bad(line: number, reason: string): void {
    this.#count('bad', `line ${line}: bad: ${reason}`);
  }

  step(line: number, step: ImportStep): void {
    this.#count(step.kind === 'conflict' ? 'bad' : step.kind, `line ${line}: ${describe(step)}`);
  }

  /** Says how many lines were only counted, and the sum. */
  end(): void {
    for (const kind of KINDS) {
      const silent = this.#counts[kind] - PRINTED[kind];
      if (silent > 0) this.#print(`… and ${silent} more of "${kind}"`);
    }
    this.#print(this.summary());
  }

  summary(): string {
    const { add, update, unchanged, bad } = this.#counts;
    return this.#mood === 'would'
      ? `${add} to add, ${update} to update, ${unchanged} unchanged, ${bad} bad`
      : `${add} added, ${update} updated, ${unchanged} unchanged, ${bad} left out`;
  }

  #count(kind: Kind, line: string): void {
    this.#counts[kind] += 1;
    if (this.#counts[kind] <= PRINTED[kind]) this.#print(line);
  }
}

function describe(step: ImportStep): string {
  const { user } = step;
  const who = `${JSON.stringify(user.user_name)} (user_id ${user.user_id})`;
  switch (step.kind) {
    case 'conflict':
      return `conflict: ${step.reason}`;
    case 'add':
      return `add ${who}, roles ${user.roles}, status ${user.status}`;
    case 'unchanged':
      return `unchanged ${who}`;
    case 'update': {
      const { before } = step;
      return `update ${who}, roles ${before.roles} -> ${user.roles}, status ${before.status} -> ${user.status}`;
    }
  }
}
