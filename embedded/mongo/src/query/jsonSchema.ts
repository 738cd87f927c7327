import { compareValues, equalValues } from '../bson/compare.ts';
import { compareNumbers, toNumber } from '../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, typeName, type Value } from '../bson/values.ts';
import { failedToParse } from '../errors.ts';
import { typeNamesOf } from './operators/element.ts';
import type { Predicate } from './predicate.ts';
import { toRegExp } from './regex/regExp.ts';

type Check = (value: Value) => boolean;
type Keyword = (operand: Value, schema: Document) => Check | null;

/** Compiles MongoDB's flavour of JSON Schema (draft 4 with `bsonType`). @throws FailedToParse for an unknown keyword */
export function compileJsonSchema(schema: Document): Predicate {
  return compile(schema);
}

function compile(schema: Document): Check {
  const checks: Check[] = [];
  for (const [name, operand] of Object.entries(schema)) {
    const keyword = Object.hasOwn(keywords, name) ? keywords[name] : undefined;
    if (keyword === undefined) throw failedToParse(`Unknown $jsonSchema keyword: ${name}`);
    const check = keyword(operand, schema);
    if (check !== null) checks.push(check);
  }
  return (value) => checks.every((check) => check(value));
}

function subSchema(operand: Value): Check {
  if (!isDocument(operand)) throw failedToParse('$jsonSchema: a schema must be an object');
  return compile(operand);
}

function subSchemas(operand: Value): Check[] {
  if (!isArray(operand) || operand.length === 0)
    throw failedToParse('$jsonSchema: a nonempty array of schemas is needed');
  return operand.map(subSchema);
}

function strings(operand: Value): string[] {
  if (!isArray(operand)) throw failedToParse('$jsonSchema: an array of strings is needed');
  return operand.map((name) => {
    if (typeof name !== 'string') throw failedToParse('$jsonSchema: an array of strings is needed');
    return name;
  });
}

function number(operand: Value): number {
  if (!isNumeric(operand)) throw failedToParse('$jsonSchema: a number is needed');
  return toNumber(operand);
}

function onNumbers(accepts: (comparison: number, schema: Document) => boolean): Keyword {
  return (operand, schema) => {
    if (!isNumeric(operand)) throw failedToParse('$jsonSchema: a number is needed');
    return (value) => !isNumeric(value) || accepts(compareNumbers(value, operand), schema);
  };
}

function onSize<T extends Value>(
  is: (value: Value) => value is T,
  size: (value: T) => number,
  atLeast: boolean,
): Keyword {
  return (operand) => {
    const limit = number(operand);
    return (value) => !is(value) || (atLeast ? size(value) >= limit : size(value) <= limit);
  };
}

const isString = (value: Value): value is string => typeof value === 'string';
const codePoints = (text: string) => [...text].length;
const fieldCount = (document: Document) => Object.keys(document).length;
const elementCount = (values: Value[]) => values.length;

const jsonTypes: Readonly<Record<string, string>> = {
  object: 'object',
  array: 'array',
  number: 'number',
  boolean: 'bool',
  string: 'string',
  null: 'null',
};

const keywords: Readonly<Record<string, Keyword>> = {
  bsonType: (operand) => {
    const names = typeNamesOf(operand);
    return (value) => names.has(typeName(value));
  },
  type: (operand) => {
    const wanted = (isArray(operand) ? operand : [operand]).map((name) => {
      const alias = typeof name === 'string' && Object.hasOwn(jsonTypes, name) ? jsonTypes[name] : undefined;
      if (alias === undefined) throw failedToParse(`$jsonSchema type '${String(name)}' is not supported`);
      return alias;
    });
    const names = typeNamesOf(wanted);
    return (value) => names.has(typeName(value));
  },
  required: (operand) => {
    const names = strings(operand);
    return (value) => !isDocument(value) || names.every((name) => Object.hasOwn(value, name));
  },
  properties: (operand) => {
    if (!isDocument(operand)) throw failedToParse("$jsonSchema keyword 'properties' must be an object");
    const checks = Object.entries(operand).map(([name, schema]) => [name, subSchema(schema)] as const);
    return (value) =>
      !isDocument(value) ||
      checks.every(([name, check]) => {
        const field = Object.hasOwn(value, name) ? value[name] : undefined;
        return field === undefined || check(field);
      });
  },
  patternProperties: (operand) => {
    if (!isDocument(operand))
      throw failedToParse("$jsonSchema keyword 'patternProperties' must be an object");
    const checks = Object.entries(operand).map(
      ([pattern, schema]) => [toRegExp(pattern, ''), subSchema(schema)] as const,
    );
    return (value) =>
      !isDocument(value) ||
      Object.entries(value).every(([name, field]) =>
        checks.every(([pattern, check]) => !pattern.test(name) || check(field)),
      );
  },
  additionalProperties: (operand, schema) => {
    const check = typeof operand === 'boolean' ? () => operand : subSchema(operand);
    const known = isDocument(schema.properties) ? new Set(Object.keys(schema.properties)) : new Set<string>();
    const patterns = isDocument(schema.patternProperties)
      ? Object.keys(schema.patternProperties).map((p) => toRegExp(p, ''))
      : [];
    return (value) =>
      !isDocument(value) ||
      Object.entries(value).every(
        ([name, field]) => known.has(name) || patterns.some((pattern) => pattern.test(name)) || check(field),
      );
  },
  minProperties: onSize(isDocument, fieldCount, true),
  maxProperties: onSize(isDocument, fieldCount, false),
  minimum: onNumbers(
    (comparison, schema) => comparison > 0 || (comparison === 0 && schema.exclusiveMinimum !== true),
  ),
  maximum: onNumbers(
    (comparison, schema) => comparison < 0 || (comparison === 0 && schema.exclusiveMaximum !== true),
  ),
  exclusiveMinimum: () => null,
  exclusiveMaximum: () => null,
  multipleOf: (operand) => {
    const divisor = number(operand);
    return (value) => !isNumeric(value) || toNumber(value) % divisor === 0;
  },
  minLength: onSize(isString, codePoints, true),
  maxLength: onSize(isString, codePoints, false),
  pattern: (operand) => {
    if (typeof operand !== 'string') throw failedToParse("$jsonSchema keyword 'pattern' must be a string");
    const expression = toRegExp(operand, '');
    return (value) => typeof value !== 'string' || expression.test(value);
  },
  minItems: onSize(isArray, elementCount, true),
  maxItems: onSize(isArray, elementCount, false),
  items: (operand) => {
    if (isArray(operand)) {
      const checks = operand.map(subSchema);
      return (value) =>
        !isArray(value) || checks.every((check, index) => value[index] === undefined || check(value[index]));
    }
    const check = subSchema(operand);
    return (value) => !isArray(value) || value.every(check);
  },
  additionalItems: (operand, schema) => {
    const check = typeof operand === 'boolean' ? () => operand : subSchema(operand);
    const start = isArray(schema.items) ? schema.items.length : Number.POSITIVE_INFINITY;
    return (value) => !isArray(value) || value.slice(start).every(check);
  },
  uniqueItems: (operand) => {
    if (operand !== true) return null;
    return (value) => {
      if (!isArray(value)) return true;
      const sorted = value.toSorted((left, right) => compareValues(left, right));
      return sorted.every((element, index) => index === 0 || !equalValues(element, sorted[index - 1]));
    };
  },
  enum: (operand) => {
    if (!isArray(operand)) throw failedToParse("$jsonSchema keyword 'enum' must be an array");
    return (value) => operand.some((element) => equalValues(element, value));
  },
  allOf: (operand) => {
    const checks = subSchemas(operand);
    return (value) => checks.every((check) => check(value));
  },
  anyOf: (operand) => {
    const checks = subSchemas(operand);
    return (value) => checks.some((check) => check(value));
  },
  oneOf: (operand) => {
    const checks = subSchemas(operand);
    return (value) => checks.filter((check) => check(value)).length === 1;
  },
  not: (operand) => {
    const check = subSchema(operand);
    return (value) => !check(value);
  },
  dependencies: (operand) => {
    if (!isDocument(operand)) throw failedToParse("$jsonSchema keyword 'dependencies' must be an object");
    const checks = Object.entries(operand).map(([name, needed]) => {
      const names = isArray(needed) ? strings(needed) : null;
      const check =
        names === null
          ? subSchema(needed)
          : (value: Value) => isDocument(value) && names.every((field) => Object.hasOwn(value, field));
      return [name, check] as const;
    });
    return (value) =>
      !isDocument(value) || checks.every(([name, check]) => !Object.hasOwn(value, name) || check(value));
  },
  title: () => null,
  description: () => null,
};
