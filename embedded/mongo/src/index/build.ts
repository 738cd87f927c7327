import { type Document, isArray, isDocument } from '../bson/values.ts';
import { newFolding, parseCollation } from '../query/collation.ts';
import { compileFilter } from '../query/filter.ts';
import { OrderedIndex } from './orderedIndex.ts';
import type { IndexSpecification } from './specification.ts';

/**
 * An empty index for a specification.
 * @param isStored it comes from the data file: what earlier versions took is not refused
 * @throws MongoServerError for a bad partial filter or collation
 */
export function buildIndex(specification: IndexSpecification, isStored = false): OrderedIndex {
  const collation = parseCollation(specification.collation, isStored);
  const { partialFilterExpression: partial } = specification;
  return new OrderedIndex(specification, {
    folding: newFolding(collation),
    partial: partial === undefined ? null : compileFilter(partial, { collation, isStored }),
    partialRoots: partial === undefined ? [] : rootsOf(partial),
  });
}

function rootsOf(filter: Document): string[] {
  return Object.entries(filter).flatMap(([name, condition]) => {
    if (!name.startsWith('$')) return [name.split('.')[0] ?? name];
    return isArray(condition)
      ? condition.flatMap((clause) => (isDocument(clause) ? rootsOf(clause) : []))
      : [];
  });
}
