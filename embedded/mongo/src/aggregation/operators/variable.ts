import { toNumber } from '../../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { failedToParse, typeMismatch } from '../../errors.ts';
import type { Environment } from '../expression.ts';
import { isNullish, namedArguments, type OperatorCompiler } from './operator.ts';
import { isTruthy } from './truth.ts';

function bind({ root, variables }: Environment, name: string, value: Value | undefined): Environment {
  return { root, variables: { name, value, outer: variables } };
}

function variableName(value: Value | undefined): string {
  if (value === undefined) return 'this';
  if (typeof value !== 'string') throw failedToParse("'as' must be a string");
  return value;
}

const letIn: OperatorCompiler = (operand, compile, name) => {
  const { vars, in: body } = namedArguments(operand, name, ['vars', 'in']);
  if (!isDocument(vars)) throw failedToParse('invalid parameter: expected an object (vars)');
  const bindings = Object.entries(vars satisfies Document).map(
    ([variable, value]) => [variable, compile(value)] as const,
  );
  const result = compile(body ?? null);
  return (environment) => {
    let inner = environment;
    for (const [variable, value] of bindings) inner = bind(inner, variable, value(environment));
    return result(inner);
  };
};

const map: OperatorCompiler = (operand, compile, name) => {
  const { input, as, in: body } = namedArguments(operand, name, ['input', 'in'], ['as']);
  const values = compile(input ?? null);
  const variable = variableName(as);
  const result = compile(body ?? null);
  return (environment) => {
    const list = values(environment);
    if (isNullish(list)) return null;
    if (!isArray(list)) throw typeMismatch('input to $map must be an array');
    return list.map((element) => result(bind(environment, variable, element)) ?? null);
  };
};

const filter: OperatorCompiler = (operand, compile, name) => {
  const { input, as, cond, limit } = namedArguments(operand, name, ['input', 'cond'], ['as', 'limit']);
  const values = compile(input ?? null);
  const variable = variableName(as);
  const condition = compile(cond ?? null);
  const maximum = limit === undefined ? null : compile(limit);
  return (environment) => {
    const list = values(environment);
    if (isNullish(list)) return null;
    if (!isArray(list)) throw typeMismatch('input to $filter must be an array');
    const kept = list.filter((element) => isTruthy(condition(bind(environment, variable, element))));
    const count = maximum?.(environment);
    return isNumeric(count) ? kept.slice(0, toNumber(count)) : kept;
  };
};

const reduce: OperatorCompiler = (operand, compile, name) => {
  const { input, initialValue, in: body } = namedArguments(operand, name, ['input', 'initialValue', 'in']);
  const values = compile(input ?? null);
  const initial = compile(initialValue ?? null);
  const step = compile(body ?? null);
  return (environment) => {
    const list = values(environment);
    if (isNullish(list)) return null;
    if (!isArray(list)) throw typeMismatch("$reduce requires that 'input' be an array");
    return list.reduce<Value | undefined>(
      (value, element) => step(bind(bind(environment, 'value', value), 'this', element)),
      initial(environment),
    );
  };
};

export const variableOperators: Readonly<Record<string, OperatorCompiler>> = {
  $let: letIn,
  $map: map,
  $filter: filter,
  $reduce: reduce,
  $literal: (operand) => () => operand,
  $expr: (operand, compile) => compile(operand),
};
