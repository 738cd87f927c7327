import sortedBtree from 'sorted-btree';
import type { StringOrder } from '../bson/compare.ts';

// the package is CommonJS: under Node its class is the default's `default`
const BTree = sortedBtree.default;

/**
 * Makes strings that a collation holds equal identical, so that they can be keys. No rewriting of strings has exactly
 * the equality of a collator, so each stands for itself until an equal one came before it.
 */
export class Folding {
  private readonly first: InstanceType<typeof BTree<string, string>>;

  constructor(order: StringOrder) {
    this.first = new BTree<string, string>(undefined, order);
  }

  /** The first of the strings that are equal to this one; this one is remembered when it is the first. */
  readonly fold = (text: string): string => {
    const known = this.first.get(text);
    if (known !== undefined) return known;
    this.first.set(text, text);
    return text;
  };

  /** As `fold`, for what is only looked up. */
  readonly find = (text: string): string => this.first.get(text) ?? text;
}
