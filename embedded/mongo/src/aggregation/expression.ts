import { isArrayIndex } from '../bson/paths.ts';
import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';
import { failedToParse, MongoServerError } from '../errors.ts';
import { accumulatingOperators } from './operators/accumulating.ts';
import { arithmeticOperators } from './operators/arithmetic.ts';
import { arrayOperators } from './operators/array.ts';
import { comparisonOperators } from './operators/comparison.ts';
import { conditionalOperators } from './operators/conditional.ts';
import { conversionOperators } from './operators/conversion.ts';
import { dateTextOperators } from './operators/dateText.ts';
import { delegatedOperators } from './operators/delegated.ts';
import { objectOperators } from './operators/object.ts';
import type { OperatorCompiler } from './operators/operator.ts';
import { setOperators } from './operators/set.ts';
import { stringOperators } from './operators/string.ts';
import { variableOperators } from './operators/variable.ts';

/** Variables in scope, innermost first. */
export interface Variables {
  readonly name: string;
  readonly value: Value | undefined;
  readonly outer: Variables | null;
}

export interface Environment {
  readonly root: Value;
  readonly variables: Variables | null;
}

/** A compiled aggregation expression; undefined means a missing value. */
export type Expression = (environment: Environment) => Value | undefined;

const operators: Readonly<Record<string, OperatorCompiler>> = {
  ...comparisonOperators,
  ...arithmeticOperators,
  ...conditionalOperators,
  ...arrayOperators,
  ...setOperators,
  ...objectOperators,
  ...stringOperators,
  ...conversionOperators,
  ...variableOperators,
  ...accumulatingOperators,
  ...delegatedOperators,
  ...dateTextOperators,
};

/** @throws MongoServerError when the expression has an unknown operator or a wrong number of arguments */
export function compileExpression(expression: Value): Expression {
  if (typeof expression === 'string') return compileString(expression);
  if (isArray(expression)) {
    const elements = expression.map(compileExpression);
    return (environment) => elements.map((element) => element(environment) ?? null);
  }
  if (!isDocument(expression)) return () => expression;
  const names = Object.keys(expression);
  const [first] = names;
  if (first?.startsWith('$')) {
    if (names.length > 1) {
      throw new MongoServerError(
        'Location15983',
        `an object representing an expression must have exactly one field: ${JSON.stringify(names)}`,
      );
    }
    return compileOperator(first, expression[first] ?? null);
  }
  return compileObject(expression);
}

function compileString(text: string): Expression {
  if (text.startsWith('$$')) return compileVariable(text.slice(2));
  if (!text.startsWith('$')) return () => text;
  const parts = pathParts(text.slice(1));
  return (environment) => valueAtPath(environment.root, parts);
}

function pathParts(path: string): string[] {
  const parts = path.split('.');
  if (parts.some((part) => part === '')) throw failedToParse(`'$${path}' is not a valid field path`);
  return parts;
}

function compileVariable(path: string): Expression {
  const [name = '', ...parts] = path.split('.');
  if (name === 'ROOT')
    return (environment) =>
      valueAtPath(
        lookUp(environment, 'ROOT', () => environment.root),
        parts,
      );
  if (name === 'CURRENT') return (environment) => valueAtPath(environment.root, parts);
  if (name === 'NOW') return (environment) => lookUp(environment, 'NOW', () => new Date());
  if (name === 'REMOVE') return () => undefined;
  return (environment) =>
    valueAtPath(
      lookUp(environment, name, () => {
        throw new MongoServerError('Location17276', `Use of undefined variable: ${name}`);
      }),
      parts,
    );
}

function lookUp(
  { variables }: Environment,
  name: string,
  otherwise: () => Value | undefined,
): Value | undefined {
  for (let scope = variables; scope !== null; scope = scope.outer)
    if (scope.name === name) return scope.value;
  return otherwise();
}

function compileOperator(name: string, operand: Value): Expression {
  const operator = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (operator === undefined) {
    throw new MongoServerError('InvalidPipelineOperator', `Unrecognized expression '${name}'`);
  }
  return operator(operand, compileExpression, name);
}

function compileObject(expression: Document): Expression {
  const fields = Object.entries(expression).map(([name, value]) => [name, compileExpression(value)] as const);
  return (environment) => {
    const result: Document = {};
    for (const [name, field] of fields) {
      const value = field(environment);
      if (value !== undefined) result[name] = value;
    }
    return result;
  };
}

/** A field path as expressions read it: a path through an array gives the array of what it finds. */
export function valueAtPath(
  value: Value | undefined,
  parts: readonly string[],
  depth = 0,
): Value | undefined {
  let current = value;
  for (let index = depth; index < parts.length; index++) {
    const part = parts[index] ?? '';
    if (isArray(current)) {
      const found: Value[] = [];
      for (const element of current) {
        const inner = isDocument(element) ? valueAtPath(element, parts, index) : undefined;
        if (inner !== undefined) found.push(inner);
      }
      return found;
    }
    if (!isDocument(current) || !Object.hasOwn(current, part)) return undefined;
    current = current[part];
  }
  return current;
}

export function withVariable(environment: Environment, name: string, value: Value | undefined): Environment {
  return { root: environment.root, variables: { name, value, outer: environment.variables } };
}

/** The variables of a command's or stage's `let`. */
export function bindVariables(
  specification: Document | undefined,
  environment: Environment,
): Variables | null {
  let { variables } = environment;
  for (const [name, expression] of Object.entries(specification ?? {})) {
    if (isArrayIndex(name) || !/^[a-z\u0080-\uffff]/.test(name)) {
      throw failedToParse(`'${name}' starts with an invalid character for a user variable name`);
    }
    variables = { name, value: compileExpression(expression)(environment), outer: variables };
  }
  return variables;
}
