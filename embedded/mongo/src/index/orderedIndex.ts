import sortedBtree from 'sorted-btree';
import { anyAtPath } from '../bson/paths.ts';
import type { Document, Value } from '../bson/values.ts';
import type { Folding } from '../query/folding.ts';
import type { Predicate } from '../query/predicate.ts';
import type { StoredRecord } from '../store/record.ts';
import { tieLength } from '../store/record.ts';
import { arrayKeys, fieldKey, type IndexField, refuseParallelArrays } from './keys.ts';
import type { IndexSpecification } from './specification.ts';

// the package is CommonJS: under Node its class is the default's `default`
const BTree = sortedBtree.default;

function compareKeys(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function acceptParallelArrays(): void {
  // every element of one is paired with every element of the other
}

/** A secondary index: encoded keys in order, each with the record that has it. */
export class OrderedIndex {
  readonly specification: IndexSpecification;
  readonly fields: readonly IndexField[];
  /** Of the index's collation. It remembers strings for as long as the index lives. */
  readonly folding: Folding | null;
  readonly partial: Predicate | null;
  /** Set once a document had an array in an indexed field; such an index cannot serve every scan. */
  isMultikey = false;
  private readonly tree = new BTree<string, StoredRecord>(undefined, compareKeys);
  private readonly roots: ReadonlySet<string>;

  constructor(
    specification: IndexSpecification,
    options: { folding: Folding | null; partial: Predicate | null; partialRoots: readonly string[] },
  ) {
    this.specification = specification;
    this.folding = options.folding;
    this.partial = options.partial;
    this.fields = Object.entries(specification.key).map(([path, direction]) => ({
      path,
      parts: path.split('.'),
      descending: Number(direction) < 0,
    }));
    this.roots = new Set([...this.fields.map((field) => field.parts[0] ?? ''), ...options.partialRoots]);
  }

  get name(): string {
    return this.specification.name;
  }

  get size(): number {
    return this.tree.size;
  }

  /** Whether a change of these top-level fields can change this index's entries; null: any field may have changed. */
  isTouchedBy(changedRoots: ReadonlySet<string> | null): boolean {
    if (changedRoots === null) return true;
    for (const root of changedRoots) if (this.roots.has(root)) return true;
    return false;
  }

  /** The keys under which a document is found; none when the index is partial or sparse and leaves it out. */
  keysOf(document: Document): string[] {
    return this.keys(document, acceptParallelArrays);
  }

  /**
   * The keys of a document that is about to be written. Those of a document that is stored do not throw, because
   * earlier versions wrote parallel arrays.
   * @throws MongoServerError CannotIndexParallelArrays
   */
  keysOfNew(document: Document): string[] {
    return this.keys(document, refuseParallelArrays);
  }

  private keys(document: Document, onParallel: (first: string, second: string) => void): string[] {
    if (this.partial !== null && !this.partial(document)) return [];
    if (this.specification.sparse === true && !this.hasAnyField(document)) return [];
    let joined = '';
    for (const field of this.fields) {
      const key = fieldKey(document, field, this.folding?.fold);
      if (key === null) {
        const keys = arrayKeys(document, this.fields, this.folding?.fold, onParallel);
        if (keys.length > 1) this.isMultikey = true;
        return keys;
      }
      joined += key;
    }
    return [joined];
  }

  private hasAnyField(document: Document): boolean {
    const present = (value: Value | undefined) => value !== undefined;
    return this.fields.some((field) => anyAtPath(document, field.parts, present));
  }

  add(key: string, record: StoredRecord): void {
    this.tree.set(key + record.tie, record);
  }

  delete(key: string, record: StoredRecord): void {
    this.tree.delete(key + record.tie);
  }

  /** The records that have exactly this key. */
  *recordsWith(key: string): Generator<StoredRecord> {
    let pair = this.tree.getPairOrNextHigher(key);
    while (pair !== undefined && pair[0].length === key.length + tieLength && pair[0].startsWith(key)) {
      yield pair[1];
      pair = this.tree.nextHigherPair(pair[0]);
    }
  }

  /** Entries with `low <= key <= high`, in the index's order or reversed. */
  *scan(low: string, high: string, reversed: boolean): Generator<[key: string, record: StoredRecord]> {
    if (reversed) {
      for (const [key, record] of this.tree.entriesReversed(high)) {
        if (key < low) return;
        yield [key.slice(0, -tieLength), record];
      }
    } else {
      for (const [key, record] of this.tree.entries(low)) {
        if (key > high) return;
        yield [key.slice(0, -tieLength), record];
      }
    }
  }
}
