import { type Document, isArray, isDocument, type Value } from './values.ts';

const arrayIndex = /^(0|[1-9]\d*)$/;

export function isArrayIndex(part: string): boolean {
  return arrayIndex.test(part);
}

/** The value at a path through documents only, or undefined; arrays on the way end the walk. */
export function getField(document: Document, parts: readonly string[]): Value | undefined {
  let current: Value | undefined = document;
  for (const part of parts) {
    if (!isDocument(current)) return undefined;
    current = Object.hasOwn(current, part) ? current[part] : undefined;
  }
  return current;
}

/**
 * Calls `visit` with every value that a query path reaches: the elements of arrays on the way are followed,
 * and array positions when a part is a number. `undefined` stands for a document that lacks the field.
 * Stops as soon as `visit` returns true, and returns whether one did.
 */
export function anyAtPath(
  value: Value | undefined,
  parts: readonly string[],
  visit: (value: Value | undefined) => boolean,
  depth = 0,
): boolean {
  const part = parts[depth];
  if (part === undefined) return visit(value);
  if (isArray(value)) {
    if (arrayIndex.test(part) && anyAtPath(value[Number(part)], parts, visit, depth + 1)) return true;
    for (const element of value) {
      if (isDocument(element) && anyAtPath(element, parts, visit, depth)) return true;
    }
    return false;
  }
  if (isDocument(value))
    return anyAtPath(Object.hasOwn(value, part) ? value[part] : undefined, parts, visit, depth + 1);
  return visit(undefined);
}
