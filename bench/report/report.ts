import { median } from './statistics.ts';
import { formatTable } from './table.ts';

/** One measured thing: a value for each round. */
export interface Measurement {
  readonly section: string;
  readonly name: string;
  readonly unit: string;
  readonly values: number[];
}

/** What a ratio has to reach. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** Two measured things, or one against a fixed figure, and what was asked of them. */
interface Comparison {
  readonly section: string;
  readonly name: string;
  /** Median of the ratios of the same round: what slows a round down slows both of its sides. */
  readonly ratio: number;
  /** Of the values of the same round, from the lowest to the highest. */
  readonly spread: readonly [number, number];
  readonly target: Target | undefined;
}

/** Collects what is measured, and prints each value at once and the tables at the end. */
export class Report {
  readonly #measurements: Measurement[] = [];
  readonly #comparisons: Comparison[] = [];
  readonly #notes: string[] = [];
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  announce(section: string): void {
    this.#print(`\n${section}`);
  }

  measurement(section: string, name: string, unit: string): Measurement {
    const measurement: Measurement = { section, name, unit, values: [] };
    this.#measurements.push(measurement);
    return measurement;
  }

  add(measurement: Measurement, value: number): void {
    measurement.values.push(value);
    this.#print(`  ${measurement.name.padEnd(58)} ${formatNumber(value).padStart(9)} ${measurement.unit}`);
  }

  /** Something a reader of the tables has to know. */
  note(text: string): void {
    this.#notes.push(text);
    this.#print(`  ${text}`);
  }

  /** Compares two things that were measured in the same rounds. */
  compare(name: string, ours: Measurement, other: Measurement, target?: Target): void {
    const paired = ours.values.map((value, round) => value / (other.values[round] ?? median(other.values)));
    this.#comparisons.push({
      section: ours.section,
      name,
      ratio: median(paired),
      spread: extremes(paired),
      target,
    });
  }

  /** Compares with a fixed figure. */
  compareWith(name: string, ours: Measurement, figure: number, target: Target): void {
    const ratios = ours.values.map((value) => value / figure);
    this.#comparisons.push({
      section: ours.section,
      name,
      ratio: median(ratios),
      spread: extremes(ratios),
      target,
    });
  }

  /** The tables for people. */
  text(): string {
    const measured = formatTable(
      ['', 'measured', 'median', 'min – max', 'unit'],
      this.#measurements.map(({ section, name, unit, values }) => {
        const [low, high] = extremes(values);
        return [
          section,
          name,
          formatNumber(median(values)),
          `${formatNumber(low)} – ${formatNumber(high)}`,
          unit,
        ];
      }),
    );
    const compared = formatTable(
      ['', 'ratio', 'is', 'min – max', 'target', ''],
      this.#comparisons.map(({ section, name, ratio, spread: [low, high], target }) => [
        section,
        name,
        formatRatio(ratio),
        `${formatRatio(low)} – ${formatRatio(high)}`,
        target ? formatTarget(target) : '',
        target ? (reaches(ratio, target) ? 'reached' : 'MISSED') : '',
      ]),
    );
    return [measured, compared, ...this.#notes.map((note) => `* ${note}`)].join('\n\n');
  }

  /** The same for programs. */
  data(): object {
    return {
      measurements: this.#measurements.map((measurement) => ({
        ...measurement,
        median: median(measurement.values),
      })),
      comparisons: this.#comparisons.map((comparison) => ({
        ...comparison,
        reached: comparison.target && reaches(comparison.ratio, comparison.target),
      })),
      notes: this.#notes,
    };
  }
}

function extremes(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function reaches(ratio: number, target: Target): boolean {
  return 'atLeast' in target ? ratio >= target.atLeast : ratio <= target.atMost;
}

function formatTarget(target: Target): string {
  return 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
}

function formatRatio(ratio: number): string {
  return ratio.toFixed(Math.abs(ratio) < 10 ? 2 : 1);
}

function formatNumber(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });
}
