import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';
import { compileFilter } from './filter.ts';

/**
 * The index of the array element that made a filter match, for the positional `$`: the first element that
 * satisfies all that the filter asks of the array at `path`, or else any of it. -1 when there is none.
 */
export function positionalIndex(filter: Document, path: string, array: readonly Value[]): number {
  const tests = conditionsOn(filter, path).map(({ rest, condition }) => elementPredicate(rest, condition));
  if (tests.length === 0) return -1;
  const all = array.findIndex((element) => tests.every((test) => test(element)));
  return all >= 0 ? all : array.findIndex((element) => tests.some((test) => test(element)));
}

interface Condition {
  /** The path inside the element; empty for a condition on the element itself. */
  rest: string;
  condition: Value;
}

function conditionsOn(filter: Document, path: string): Condition[] {
  return Object.entries(filter).flatMap(([name, condition]): Condition[] => {
    if ((name === '$and' || name === '$or') && isArray(condition)) {
      return condition.flatMap((clause) => (isDocument(clause) ? conditionsOn(clause, path) : []));
    }
    if (name === path) return [{ rest: '', condition }];
    return name.startsWith(`${path}.`) ? [{ rest: name.slice(path.length + 1), condition }] : [];
  });
}

function elementPredicate(rest: string, condition: Value): (element: Value) => boolean {
  const matches = compileFilter({ [rest === '' ? 'element' : `element.${rest}`]: condition });
  const needsArray = rest === '' && isDocument(condition) && '$elemMatch' in condition;
  return (element) => matches({ element: needsArray || !isDocument(element) ? [element] : element });
}
