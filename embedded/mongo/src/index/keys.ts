import { emptyArrayKey, invertKey, keyString, nullKey } from '../bson/keyString.ts';
import { isArrayIndex } from '../bson/paths.ts';
import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';

export interface IndexField {
  path: string;
  parts: readonly string[];
  descending: boolean;
}

export type Fold = (text: string) => string;

/** The encoded keys of one field of a document; more than one when arrays are on the path. */
export function fieldKeys(document: Document, field: IndexField, fold: Fold | undefined): string | string[] {
  const { parts } = field;
  const [name] = parts;
  if (parts.length === 1 && name !== undefined) {
    const value = Object.hasOwn(document, name) ? document[name] : undefined;
    if (!isArray(value)) return oriented(keyString(value, fold), field);
  }
  const keys = new Set<string>();
  collect(document, parts, 0, (key) => keys.add(oriented(key, field)), fold);
  const all = [...keys];
  const [only = oriented(nullKey, field)] = all;
  return all.length <= 1 ? only : all;
}

function oriented(key: string, field: IndexField): string {
  return field.descending ? invertKey(key) : key;
}

function collect(
  value: Value | undefined,
  parts: readonly string[],
  depth: number,
  add: (key: string) => void,
  fold: Fold | undefined,
): void {
  const part = parts[depth];
  if (part === undefined) {
    if (!isArray(value)) add(keyString(value, fold));
    else if (value.length === 0) add(emptyArrayKey);
    else for (const element of value) add(keyString(element, fold));
    return;
  }
  if (isArray(value)) {
    if (value.length === 0) add(emptyArrayKey);
    if (isArrayIndex(part)) collect(value[Number(part)], parts, depth + 1, add, fold);
    for (const element of value) {
      if (isDocument(element)) collect(element, parts, depth, add, fold);
      else add(nullKey);
    }
    return;
  }
  if (isDocument(value))
    collect(Object.hasOwn(value, part) ? value[part] : undefined, parts, depth + 1, add, fold);
  else add(nullKey);
}
