import { type Document, isArray, isDocument, type Value } from '../../bson/values.ts';
import { failedToParse, MongoServerError } from '../../errors.ts';
import type { Expression } from '../expression.ts';

export type Compile = (expression: Value) => Expression;

/** Compiles the use of one operator; the operand is not evaluated yet. */
export type OperatorCompiler = (operand: Value, compile: Compile, name: string) => Expression;

export type Argument = Value | undefined;

export function isNullish(value: Argument): value is null | undefined {
  return value === null || value === undefined;
}

/** The operand as a list of expressions; a single operand may stand without its array. */
export function argumentList(
  operand: Value,
  compile: Compile,
  name: string,
  minimum: number,
  maximum = minimum,
): Expression[] {
  const list = isArray(operand) ? operand : [operand];
  if (list.length < minimum || list.length > maximum) {
    const wanted = minimum === maximum ? `exactly ${minimum}` : `at least ${minimum} and at most ${maximum}`;
    throw new MongoServerError(
      'Location16020',
      `Expression ${name} takes ${wanted} arguments. ${list.length} were passed in.`,
    );
  }
  return list.map((argument) => compile(argument));
}

export function unary(apply: (value: Argument, name: string) => Argument): OperatorCompiler {
  return (operand, compile, name) => {
    const [argument = () => undefined] = argumentList(operand, compile, name, 1);
    return (environment) => apply(argument(environment), name);
  };
}

export function binary(apply: (left: Argument, right: Argument, name: string) => Argument): OperatorCompiler {
  return (operand, compile, name) => {
    const [left = () => undefined, right = () => undefined] = argumentList(operand, compile, name, 2);
    return (environment) => apply(left(environment), right(environment), name);
  };
}

export function variadic(
  apply: (values: Argument[], name: string) => Argument,
  minimum = 0,
  maximum = Number.POSITIVE_INFINITY,
): OperatorCompiler {
  return (operand, compile, name) => {
    const list = argumentList(operand, compile, name, minimum, maximum);
    return (environment) =>
      apply(
        list.map((argument) => argument(environment)),
        name,
      );
  };
}

/** The operand of an operator with named arguments; an unknown or missing one is an error. */
export function namedArguments(
  operand: Value,
  name: string,
  required: readonly string[],
  optional: readonly string[] = [],
): Document {
  if (!isDocument(operand)) throw failedToParse(`${name} requires an object as an argument`);
  for (const field of Object.keys(operand)) {
    if (!required.includes(field) && !optional.includes(field)) {
      throw failedToParse(`Unrecognized parameter to ${name}: ${field}`);
    }
  }
  for (const field of required) {
    if (operand[field] === undefined) throw failedToParse(`Missing '${field}' parameter to ${name}`);
  }
  return operand;
}
