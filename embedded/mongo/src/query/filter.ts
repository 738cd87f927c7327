import { BSONRegExp } from 'bson';
import { compileExpression, type Variables } from '../aggregation/expression.ts';
import { isTruthy } from '../aggregation/operators/truth.ts';
import { anyAtPath } from '../bson/paths.ts';
import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';
import { badValue, notSupported } from '../errors.ts';
import type { Collation } from './collation.ts';
import { compileJsonSchema } from './jsonSchema.ts';
import { arrayOperators } from './operators/array.ts';
import { bitOperators } from './operators/bits.ts';
import { comparisonOperators, equality } from './operators/comparison.ts';
import { elementOperators } from './operators/element.ts';
import { evaluationOperators, regularExpression } from './operators/evaluation.ts';
import type { FieldOperator, FilterContext, ValueTest } from './operators/operator.ts';
import type { Predicate } from './predicate.ts';

const operators: Readonly<Record<string, FieldOperator>> = {
  ...comparisonOperators,
  ...elementOperators,
  ...arrayOperators,
  ...bitOperators,
  ...evaluationOperators,
};

const unsupportedTopLevel = new Set(['$where', '$text', '$sampleRate', '$alwaysTrue', '$alwaysFalse']);
const unsupportedOperators = new Set([
  '$geoWithin',
  '$geoIntersects',
  '$near',
  '$nearSphere',
  '$within',
  '$geoNear',
]);

export interface FilterOptions {
  collation?: Collation | null;
  variables?: Variables;
  /** The filter comes from the data file: what earlier versions took is not refused. */
  isStored?: boolean;
}

/**
 * Compiles a filter document.
 * @throws MongoServerError BadValue for an unknown operator or a bad operand
 */
export function compileFilter(filter: Document, options: FilterOptions = {}): Predicate {
  const context: FilterContext = {
    collation: options.collation ?? null,
    variables: options.variables ?? null,
    isStored: options.isStored === true,
    compileFilter: (inner) => compileFilter(inner, options),
    compileCondition: (condition) => compileCondition(condition, context),
  };
  return compileWith(filter, context);
}

function compileWith(filter: Document, context: FilterContext): Predicate {
  const predicates: Predicate[] = [];
  for (const [name, condition] of Object.entries(filter)) {
    const predicate = name.startsWith('$')
      ? topLevelOperator(name, condition, context)
      : fieldPredicate(name.split('.'), condition, context);
    if (predicate !== null) predicates.push(predicate);
  }
  return allOf(predicates);
}

function allOf(predicates: readonly Predicate[]): Predicate {
  const [first, second] = predicates;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (predicates.length === 2) return (document) => first(document) && second(document);
  return (document) => predicates.every((predicate) => predicate(document));
}

function topLevelOperator(name: string, operand: Value, context: FilterContext): Predicate | null {
  switch (name) {
    case '$and':
      return allOf(clauses(name, operand, context));
    case '$or': {
      const any = clauses(name, operand, context);
      return (document) => any.some((predicate) => predicate(document));
    }
    case '$nor': {
      const none = clauses(name, operand, context);
      return (document) => !none.some((predicate) => predicate(document));
    }
    case '$expr': {
      const expression = compileExpression(operand);
      const { variables } = context;
      return (document) => isTruthy(expression({ root: document, variables }));
    }
    case '$jsonSchema':
      if (!isDocument(operand)) throw badValue('$jsonSchema must be an object');
      return compileJsonSchema(operand);
    case '$comment':
      return null;
    default:
      if (unsupportedTopLevel.has(name)) throw notSupported(`the query operator ${name}`);
      throw badValue(
        `unknown top level operator: ${name}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
      );
  }
}

function clauses(name: string, operand: Value, context: FilterContext): Predicate[] {
  if (!isArray(operand) || operand.length === 0) throw badValue(`${name} must be a nonempty array`);
  return operand.map((clause) => {
    if (!isDocument(clause)) throw badValue(`${name} argument's entries must be objects`);
    return compileWith(clause, context);
  });
}

function fieldPredicate(parts: readonly string[], condition: Value, context: FilterContext): Predicate {
  const tests = compileCondition(condition, context);
  return allOf(tests.map((test) => atPath(parts, test)));
}

/** The tests of one field's condition: operators, a regular expression or an equality. */
function compileCondition(condition: Value, context: FilterContext): ValueTest[] {
  if (condition instanceof BSONRegExp) return [regularExpression(condition, context)];
  if (!isDocument(condition) || !Object.keys(condition)[0]?.startsWith('$'))
    return [equality(condition, context)];
  if ('$ref' in condition || '$id' in condition) return [equality(condition, context)];
  const tests: ValueTest[] = [];
  for (const [name, operand] of Object.entries(condition)) {
    const operator = Object.hasOwn(operators, name) ? operators[name] : undefined;
    if (operator === undefined) {
      if (unsupportedOperators.has(name)) throw notSupported(`the query operator ${name}`);
      throw badValue(`unknown operator: ${name}`);
    }
    const test = operator(operand, condition, context);
    if (test !== null) tests.push(test);
  }
  return tests;
}

function atPath(parts: readonly string[], { test, negated, wholeOnly }: ValueTest): Predicate {
  const reaches = wholeOnly
    ? test
    : (value: Value | undefined) => test(value) || (isArray(value) && value.some((element) => test(element)));
  const [name] = parts;
  if (parts.length === 1 && name !== undefined) {
    return (document) => reaches(Object.hasOwn(document, name) ? document[name] : undefined) !== negated;
  }
  return (document) => anyAtPath(document, parts, reaches) !== negated;
}
