import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';
import { badValue, failedToParse } from '../errors.ts';
import { compileFilter } from '../query/filter.ts';
import { positionalIndex } from '../query/positional.ts';
import type { Predicate } from '../query/predicate.ts';
import type { Draft } from './draft.ts';

export type ArrayFilters = ReadonlyMap<string, Predicate>;

/** @throws MongoServerError FailedToParse when a filter has no identifier, or two have the same */
export function parseArrayFilters(filters: readonly Value[]): ArrayFilters {
  const parsed = new Map<string, Predicate>();
  for (const filter of filters) {
    const [identifier, other] = isDocument(filter) ? identifiersIn(filter) : [];
    if (!isDocument(filter) || identifier === undefined)
      throw failedToParse('Cannot use an expression without a top-level field name in arrayFilters');
    if (other !== undefined)
      throw failedToParse(
        `Error parsing array filter :: caused by :: Expected a single top-level field name, found '${identifier}' and '${other}'`,
      );
    if (!/^[a-z][a-zA-Z0-9]*$/.test(identifier))
      throw badValue(
        `Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '${identifier}'`,
      );
    if (parsed.has(identifier))
      throw failedToParse(`Found multiple array filters with the same top-level field name ${identifier}`);
    parsed.set(identifier, compileFilter(filter));
  }
  return parsed;
}

function identifiersIn(filter: Document): string[] {
  const found = Object.entries(filter).flatMap(([name, value]) => {
    if (!name.startsWith('$')) return [name.split('.')[0] ?? name];
    return isArray(value) ? value.flatMap((clause) => (isDocument(clause) ? identifiersIn(clause) : [])) : [];
  });
  return [...new Set(found)];
}

/** @throws MongoServerError FailedToParse when a filter stands for nothing in the update's paths */
export function checkAllUsed(arrayFilters: ArrayFilters, paths: readonly (readonly string[])[]): void {
  for (const identifier of arrayFilters.keys()) {
    if (!paths.some((parts) => parts.includes(`$[${identifier}]`)))
      throw failedToParse(`The array filter for identifier '${identifier}' was not used in the update`);
  }
}

/** The concrete paths that a path with `$`, `$[]` or `$[identifier]` stands for in this document. */
export function expandPath(
  draft: Draft,
  parts: readonly string[],
  filter: Document,
  arrayFilters: ArrayFilters,
): string[][] {
  let paths: string[][] = [[]];
  for (const part of parts) {
    paths = part.startsWith('$')
      ? paths.flatMap((path) =>
          positions(draft, path, part, filter, arrayFilters).map((index) => [...path, String(index)]),
        )
      : paths.map((path) => [...path, part]);
  }
  return paths;
}

function positions(
  draft: Draft,
  path: string[],
  part: string,
  filter: Document,
  arrayFilters: ArrayFilters,
): number[] {
  const array = draft.get(path);
  if (part === '$') {
    const index = isArray(array) ? positionalIndex(filter, path.join('.'), array) : -1;
    if (index < 0) throw badValue('The positional operator did not find the match needed from the query.');
    return [index];
  }
  if (!isArray(array))
    throw badValue(
      `The path '${path.join('.')}' must exist in the document in order to apply array updates.`,
    );
  if (part === '$[]') return array.map((_element, index) => index);
  const identifier = part.slice(2, -1);
  const matches = arrayFilters.get(identifier);
  if (matches === undefined)
    throw badValue(
      `No array filter found for identifier '${identifier}' in path '${path.join('.')}.${part}'`,
    );
  return array.flatMap((element, index) => (matches({ [identifier]: element }) ? [index] : []));
}
