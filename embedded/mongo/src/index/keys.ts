import { emptyArrayKey, invertKey, keyString, nullKey } from '../bson/keyString.ts';
import { isArrayIndex } from '../bson/paths.ts';
import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';
import { MongoServerError } from '../errors.ts';

export interface IndexField {
  path: string;
  parts: readonly string[];
  descending: boolean;
}

export type Fold = (text: string) => string;

/** The encoded key of one field of a document; null when an array is on its path. */
export function fieldKey(document: Document, field: IndexField, fold: Fold | undefined): string | null {
  let value: Value | undefined = document;
  for (const part of field.parts) {
    if (isArray(value)) return null;
    value = isDocument(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  }
  return isArray(value) ? null : oriented(keyString(value, fold), field);
}

/**
 * The joined keys of a document with arrays in indexed fields. Fields that go through the same array take their
 * values from the same element of it, so that no key pairs values of two elements.
 * @param onParallel gets the names of two arrays neither of which holds the other
 */
export function arrayKeys(
  document: Document,
  fields: readonly IndexField[],
  fold: Fold | undefined,
  onParallel: (first: string, second: string) => void,
): string[] {
  const keys = new Set<string>();
  const places = fields.map((field): Place => {
    const isPositional = field.parts.some(isArrayIndex);
    return isPositional ? { keys: positionalKeys(document, field, fold) } : { value: document, depth: 0 };
  });
  expand(places, { fields, fold, onParallel, keys });
  return [...keys];
}

/** How far a field got: to its keys, or to a value on its path. */
type Place = { keys: readonly string[] } | { value: Value | undefined; depth: number };

interface Expansion {
  fields: readonly IndexField[];
  fold: Fold | undefined;
  onParallel: (first: string, second: string) => void;
  keys: Set<string>;
}

function expand(places: readonly Place[], expansion: Expansion): void {
  const { fields, onParallel, keys } = expansion;
  const reached = places.map((place, position) => descend(place, fields[position], expansion));
  let array: Value[] | null = null;
  let arrayName = '';
  for (const [position, place] of reached.entries()) {
    if ('keys' in place || !isArray(place.value) || place.value === array) continue;
    const name = fields[position]?.parts[place.depth - 1] ?? '';
    if (array !== null) onParallel(name, arrayName);
    array ??= place.value;
    arrayName ||= name;
  }
  if (array === null) {
    for (const key of joined(reached)) keys.add(key);
    return;
  }
  const elements: readonly (Value | typeof nothing)[] = array.length === 0 ? [nothing] : array;
  for (const element of elements) {
    const inElement = reached.map((place, position): Place => {
      const field = fields[position];
      const isHere = !('keys' in place) && place.value === array && field !== undefined;
      return isHere ? placeInElement(element, field, place.depth, expansion) : place;
    });
    expand(inElement, expansion);
  }
}

/** Stands for the element of an empty array. */
const nothing = Symbol('nothing');

function placeInElement(
  element: Value | typeof nothing,
  field: IndexField,
  depth: number,
  { fold }: Expansion,
): Place {
  if (element === nothing) return { keys: [oriented(emptyArrayKey, field)] };
  if (depth === field.parts.length) return { keys: [oriented(keyString(element, fold), field)] };
  return isDocument(element) ? { value: element, depth } : { keys: [oriented(nullKey, field)] };
}

/** Goes through documents to the end of the field's path, or to the first array. */
function descend(place: Place, field: IndexField | undefined, { fold }: Expansion): Place {
  if ('keys' in place || field === undefined) return place;
  let { value, depth } = place;
  for (; depth < field.parts.length && !isArray(value); depth++) {
    const part = field.parts[depth] ?? '';
    value = isDocument(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  }
  return isArray(value) ? { value, depth } : { keys: [oriented(keyString(value, fold), field)] };
}

function joined(places: readonly Place[]): string[] {
  return places.reduce<string[]>(
    (prefixes, place) =>
      'keys' in place ? prefixes.flatMap((prefix) => place.keys.map((key) => prefix + key)) : prefixes,
    [''],
  );
}

/** A path with a number names a position of an array or a field of its elements: both are found. */
function positionalKeys(document: Document, field: IndexField, fold: Fold | undefined): string[] {
  const keys = new Set<string>();
  collect(document, field.parts, 0, (key) => keys.add(oriented(key, field)), fold);
  return keys.size === 0 ? [oriented(nullKey, field)] : [...keys];
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

function oriented(key: string, field: IndexField): string {
  return field.descending ? invertKey(key) : key;
}

/** @throws MongoServerError CannotIndexParallelArrays */
export function refuseParallelArrays(first: string, second: string): void {
  throw new MongoServerError(
    'CannotIndexParallelArrays',
    `cannot index parallel arrays [${first}] [${second}]`,
  );
}
