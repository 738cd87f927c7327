import { compareValues } from '../bson/compare.ts';
import { toNumber } from '../bson/numbers.ts';
import { anyAtPath, isArrayIndex } from '../bson/paths.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../bson/values.ts';
import { badValue, MongoServerError, notSupported } from '../errors.ts';
import { type Collation, stringOrder } from './collation.ts';

export interface SortField {
  path: string;
  parts: readonly string[];
  descending: boolean;
}

/** @throws MongoServerError BadValue when a direction is not 1 or -1, 16410 for a path that begins with `$` */
export function parseSort(specification: Document | undefined): SortField[] {
  const entries = Object.entries(specification ?? {});
  return entries.map(([path, direction]) => {
    // JavaScript puts such names first, so their place in the specification is not known
    if (entries.length > 1 && isArrayIndex(path))
      throw notSupported(`sorting by several fields, one of them the number '${path}',`);
    if (path.startsWith('$') && path !== '$natural')
      throw new MongoServerError('Location16410', `FieldPath field names may not start with '$': ${path}`);
    if (isDocument(direction)) throw notSupported('sorting by $meta');
    const sign = isNumeric(direction) ? toNumber(direction) : Number.NaN;
    if (sign !== 1 && sign !== -1)
      throw badValue(`$sort key ordering must be 1 (for ascending) or -1 (for descending)`);
    return { path, parts: path.split('.'), descending: sign === -1 };
  });
}

export type DocumentOrder = (left: Document, right: Document) => number;

export function compileSort(fields: readonly SortField[], collation: Collation | null): DocumentOrder {
  const strings = stringOrder(collation);
  return (left, right) => {
    for (const { parts, descending } of fields) {
      const difference = compareValues(
        sortKey(left, parts, descending),
        sortKey(right, parts, descending),
        strings,
      );
      if (difference !== 0) return descending ? -difference : difference;
    }
    return 0;
  };
}

/** An array sorts by its smallest element, or its largest when descending; missing sorts as null. */
function sortKey(document: Document, parts: readonly string[], descending: boolean): Value | undefined {
  const [name] = parts;
  if (parts.length === 1 && name !== undefined) {
    const value = Object.hasOwn(document, name) ? document[name] : null;
    if (!isArray(value)) return value;
  }
  let best: Value | undefined;
  let found = false;
  const consider = (value: Value | undefined) => {
    const comparison = found ? compareValues(value, best) : 0;
    if (!found || (descending ? comparison > 0 : comparison < 0)) best = value;
    found = true;
  };
  anyAtPath(document, parts, (value) => {
    if (!isArray(value)) consider(value ?? null);
    else if (value.length === 0) consider(undefined);
    else for (const element of value) consider(element);
    return false;
  });
  return found ? best : null;
}

/** Sorts stably; each element's document is read through `documentOf`. */
export function sortBy<T>(items: T[], order: DocumentOrder, documentOf: (item: T) => Document): T[] {
  return items.sort((left, right) => order(documentOf(left), documentOf(right)));
}
