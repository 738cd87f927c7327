import { equalValues } from '../bson/compare.ts';
import { invertKey, keyString, typeTag } from '../bson/keyString.ts';
import { toNumber } from '../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../bson/values.ts';
import { badValue } from '../errors.ts';
import type { IndexField } from '../index/keys.ts';
import type { OrderedIndex } from '../index/orderedIndex.ts';
import type { Collection } from '../store/collection.ts';
import { boundsOf, type FieldBounds, maximumLookups } from './bounds.ts';
import type { Collation } from './collation.ts';
import { compileFilter } from './filter.ts';
import type { SortField } from './sort.ts';

export interface KeyRange {
  low: string;
  high: string;
}

/** How candidates for a filter are found. All but an exact plan are checked against the filter. */
export type Plan =
  | { kind: 'collection'; reversed: boolean; providesSort: boolean }
  | { kind: 'ids'; keys: readonly string[]; exact: boolean; providesSort: boolean }
  | { kind: 'idOrder'; range: KeyRange; reversed: boolean; providesSort: boolean }
  | {
      kind: 'index';
      index: OrderedIndex;
      ranges: readonly KeyRange[];
      reversed: boolean;
      providesSort: boolean;
    };

export interface PlannedQuery {
  filter: Document;
  sort: readonly SortField[];
  collation: Collation | null;
  hint?: Value | undefined;
}

const end = '\uffff';
const idField: IndexField = { path: '_id', parts: ['_id'], descending: false };

/** Chooses an index by what the filter fixes (equalities, then a range) and what the sort needs. */
export function planQuery(collection: Collection, query: PlannedQuery): Plan {
  const { filter, sort, collation, hint } = query;
  if (sort.some(({ path }) => path === '$natural')) return naturalSortPlan(sort, hint);
  const bounds = boundsOf(filter);
  const idEquals = bounds.get('_id')?.equals;
  if (hint === undefined && idEquals !== undefined && usable(idEquals, undefined, collation)) {
    const keys = new Set(idEquals.map((id) => keyString(id)));
    return {
      kind: 'ids',
      keys: [...keys],
      exact: asksForIdsOnly(filter),
      providesSort: keys.size <= 1,
    };
  }
  const hinted = hint === undefined ? undefined : hintedIndex(collection, hint);
  if (hinted === 'natural') return { kind: 'collection', reversed: isReversed(hint), providesSort: false };
  if (hinted === 'ids') return idOrderPlan(bounds, query);
  let best: { plan: Plan; score: number } | null = null;
  for (const index of hinted === undefined ? collection.indexes : [hinted]) {
    const candidate = indexPlan(index, bounds, query, hinted !== undefined);
    if (candidate !== null && candidate.score > (best?.score ?? 0)) best = candidate;
  }
  if (best !== null) return best.plan;
  if (bounds.has('_id') || sortedById(query) !== null) return idOrderPlan(bounds, query);
  return { kind: 'collection', reversed: false, providesSort: false };
}

function naturalSortPlan([field, ...others]: readonly SortField[], hint: Value | undefined): Plan {
  if (field === undefined || others.length > 0) throw badValue("Cannot include '$natural' in compound sort");
  if (hint !== undefined && !(isDocument(hint) && '$natural' in hint))
    throw badValue('Cannot use a $hint with a $natural sort');
  return { kind: 'collection', reversed: field.descending, providesSort: true };
}

/** The direction of a `$natural` hint. */
function isReversed(hint: Value | undefined): boolean {
  const direction = isDocument(hint) && isNumeric(hint.$natural) ? toNumber(hint.$natural) : 0;
  if (direction !== 1 && direction !== -1)
    throw badValue('$natural hint cannot be set to a value other than -1 or 1.');
  return direction === -1;
}

/** Whether the ids found say all that the filter asks: nothing stands beside `_id`, nor beside its `$eq` or `$in`. */
function asksForIdsOnly(filter: Document): boolean {
  const [name, ...others] = Object.keys(filter);
  if (name !== '_id' || others.length > 0) return false;
  const { _id: condition } = filter;
  if (!isDocument(condition)) return true;
  const operators = Object.keys(condition);
  return !operators[0]?.startsWith('$') || operators.length === 1;
}

/** Index keys order and fold strings in one way; values of other types do not care. */
function usable(
  values: readonly Value[],
  indexCollation: Document | undefined,
  collation: Collation | null,
): boolean {
  return equalValues(indexCollation, collation?.specification) || !values.some(holdsString);
}

function holdsString(value: Value): boolean {
  if (isArray(value)) return value.some(holdsString);
  return typeof value === 'string' || (isDocument(value) && Object.values(value).some(holdsString));
}

function hintedIndex(collection: Collection, hint: Value): OrderedIndex | 'natural' | 'ids' {
  if (isDocument(hint)) {
    if ('$natural' in hint) return 'natural';
    if (Object.keys(hint).join() === '_id') return 'ids';
  }
  if (hint === '_id_') return 'ids';
  const found = collection.indexes.find(
    ({ name, specification }) => name === hint || (isDocument(hint) && equalValues(specification.key, hint)),
  );
  if (found === undefined)
    throw badValue(
      'error processing query: planner returned error: hint provided does not correspond to an existing index',
    );
  return found;
}

function sortedById({ sort, collation }: PlannedQuery): SortField | null {
  const [only] = sort;
  return sort.length === 1 && only?.path === '_id' && collation === null ? only : null;
}

function idOrderPlan(bounds: Map<string, FieldBounds>, query: PlannedQuery): Plan {
  const field = bounds.get('_id');
  const bounded =
    field !== undefined &&
    usable([field.low?.value ?? null, field.high?.value ?? null], undefined, query.collation);
  const range =
    bounded && (field.low ?? field.high) !== undefined
      ? fieldRange(field, idField, false)
      : { low: '', high: end };
  const sort = sortedById(query);
  return { kind: 'idOrder', range, reversed: sort?.descending === true, providesSort: sort !== null };
}

function indexPlan(
  index: OrderedIndex,
  bounds: Map<string, FieldBounds>,
  query: PlannedQuery,
  isHinted: boolean,
): { plan: Plan; score: number } | null {
  const { specification, fields } = index;
  if (specification.hidden === true && !isHinted) return null;
  if (!isHinted && !coversAllMatches(index, bounds)) return null;
  const canUse = (values: readonly Value[]) => usable(values, specification.collation, query.collation);
  let prefixes = [''];
  let used = 0;
  for (const field of fields) {
    const equals = bounds.get(field.path)?.equals;
    if (equals === undefined || !canUse(equals) || prefixes.length * equals.length > maximumLookups) break;
    if (sharesArray(index, used)) break;
    const keys = new Set(equals.map((value) => oriented(keyString(value, index.folding?.find), field)));
    prefixes = prefixes.flatMap((prefix) => [...keys].map((key) => prefix + key));
    used++;
  }
  const next = fields[used];
  const nextBounds = next === undefined ? undefined : bounds.get(next.path);
  const range =
    next !== undefined &&
    nextBounds !== undefined &&
    !sharesArray(index, used) &&
    (nextBounds.low ?? nextBounds.high) !== undefined &&
    specification.collation === undefined &&
    canUse([nextBounds.low?.value ?? null, nextBounds.high?.value ?? null])
      ? fieldRange(nextBounds, next, index.isMultikey)
      : null;
  const order = sortDirection(index, used, prefixes.length, query);
  const score =
    used * 10 +
    (specification.unique === true && used === fields.length ? 5 : 0) +
    (range === null ? 0 : 4) +
    (order === null ? 0 : 3) +
    (isHinted ? 1 : 0);
  if (score === 0) return null;
  const { low, high } = range ?? { low: '', high: end };
  const plan: Plan = {
    kind: 'index',
    index,
    ranges: prefixes.map((prefix) => ({ low: prefix + low, high: prefix + high })),
    reversed: order === 'reversed',
    providesSort: order !== null,
  };
  return { plan, score };
}

/** One element of an array may satisfy this field's condition and another that of a field before it, which no key holds. */
function sharesArray({ isMultikey, fields }: OrderedIndex, position: number): boolean {
  const root = fields[position]?.parts[0];
  return isMultikey && fields.slice(0, position).some(({ parts }) => parts[0] === root);
}

function oriented(key: string, field: IndexField): string {
  return field.descending ? invertKey(key) : key;
}

/** Whether reading the index from here on gives the asked order. */
function sortDirection(
  index: OrderedIndex,
  used: number,
  prefixes: number,
  { sort, collation }: PlannedQuery,
): 'forward' | 'reversed' | null {
  if (sort.length === 0 || prefixes > 1 || index.isMultikey) return null;
  if (collation !== null || index.specification.collation !== undefined) return null;
  const fixed = new Set(index.fields.slice(0, used).map(({ path }) => path));
  const wanted = sort.filter(({ path }) => !fixed.has(path));
  const rest = index.fields.slice(used);
  const matches = (flip: boolean) =>
    wanted.every(
      ({ path, descending }, position) =>
        rest[position]?.path === path && rest[position].descending === (descending !== flip),
    );
  if (matches(false)) return 'forward';
  return matches(true) ? 'reversed' : null;
}

function fieldRange({ low, high }: FieldBounds, field: IndexField, isMultikey: boolean): KeyRange {
  // one element of an array may satisfy the lower bound and another the upper: only one bound can narrow the scan
  const upper = isMultikey && low !== undefined ? undefined : high;
  const tag = typeTag((low ?? high)?.value ?? null);
  const encode = (value: Value) => oriented(keyString(value), field);
  const [first, last] = field.descending ? [upper, low] : [low, upper];
  const typeStart = field.descending ? invertKey(tag) : tag;
  return {
    low: first === undefined ? typeStart : encode(first.value) + (first.inclusive ? '' : end),
    high: last === undefined ? following(typeStart) : encode(last.value) + (last.inclusive ? end : ''),
  };
}

/** Lies above every key that starts with this tag. `end` does not: what an inverted key goes on with may be as high. */
function following(typeStart: string): string {
  return String.fromCharCode(typeStart.charCodeAt(0) + 1);
}

/** A partial or sparse index can serve a filter only when everything that matches is in the index. */
function coversAllMatches(index: OrderedIndex, bounds: Map<string, FieldBounds>): boolean {
  const { partialFilterExpression: partial, sparse } = index.specification;
  if (sparse === true && !index.fields.some(({ path }) => excludesNull(bounds.get(path)))) return false;
  return partial === undefined || implies(bounds, partial);
}

function excludesNull(bounds: FieldBounds | undefined): boolean {
  if (bounds === undefined) return false;
  if (bounds.equals !== undefined) return bounds.equals.every((value) => value !== null);
  return bounds.low !== undefined || bounds.high !== undefined;
}

function implies(bounds: Map<string, FieldBounds>, partial: Document): boolean {
  return Object.entries(partial).every(([name, condition]) => {
    if (name === '$and' && isArray(condition))
      return condition.every((clause) => isDocument(clause) && implies(bounds, clause));
    const field = bounds.get(name);
    if (name.startsWith('$') || field === undefined) return false;
    const onlyExists =
      isDocument(condition) && Object.keys(condition).join() === '$exists' && condition.$exists === true;
    if (onlyExists) return excludesNull(field);
    if (field.equals === undefined || name.includes('.')) return false;
    const matches = compileFilter({ [name]: condition }, { isStored: true });
    return field.equals.every((value) => matches({ [name]: value }));
  });
}
