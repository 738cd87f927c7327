import { Decimal128, Double, ObjectId, Timestamp } from 'bson';
import { Context, evalExpr, ProcessingMode } from 'mingo/core';
import * as mingoOperators from 'mingo/operators/expression';
import { type Document, isArray, isDocument, type Value } from '../../bson/values.ts';
import { badValue, MongoServerError, notSupported } from '../../errors.ts';
import type { Expression } from '../expression.ts';
import type { Compile, OperatorCompiler } from './operator.ts';

// Operators that only compute on dates and plain numbers come from mingo. Their arguments are evaluated here,
// so that scoping, types and comparison stay ours, and are handed over as literals.

const names = [
  '$dateAdd',
  '$dateDiff',
  '$dateFromParts',
  '$dateSubtract',
  '$dateToParts',
  '$dateTrunc',
  '$dayOfMonth',
  '$dayOfWeek',
  '$dayOfYear',
  '$hour',
  '$isoDayOfWeek',
  '$isoWeek',
  '$isoWeekYear',
  '$millisecond',
  '$minute',
  '$month',
  '$second',
  '$week',
  '$year',
  '$sin',
  '$cos',
  '$tan',
  '$asin',
  '$acos',
  '$atan',
  '$atan2',
  '$sinh',
  '$cosh',
  '$tanh',
  '$asinh',
  '$acosh',
  '$atanh',
  '$degreesToRadians',
  '$radiansToDegrees',
  '$bitAnd',
  '$bitOr',
  '$bitXor',
  '$bitNot',
] as const;

const options = {
  idKey: '_id',
  useStrictMode: true,
  scriptEnabled: false,
  failOnError: true,
  processingMode: ProcessingMode.CLONE_OFF,
  context: Context.init({ expression: { ...mingoOperators } }),
};

function delegate(name: (typeof names)[number]): OperatorCompiler {
  return (operand, compile) => {
    const argument = compileArgument(operand, compile, name);
    return (environment) => run(name, argument(environment));
  };
}

/** What mingo's operator gives for arguments that are already computed. */
export function evaluateDelegated(name: string, fields: Readonly<Record<string, Value>>): Value {
  const literals = Object.entries(fields).map(([field, value]) => [field, literal(value, name)] as const);
  return run(name, Object.fromEntries(literals));
}

function run(name: string, argument: Value | undefined): Value {
  try {
    return computed(evalExpr({}, { [name]: argument }, options));
  } catch (error) {
    if (error instanceof MongoServerError) throw error;
    throw badValue(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function computed(result: unknown): Value {
  if (
    typeof result === 'number' ||
    typeof result === 'string' ||
    typeof result === 'bigint' ||
    result instanceof Date
  )
    return result;
  return typeof result === 'object' && result !== null
    ? Object.fromEntries(Object.entries(result).map(([name, value]) => [name, computed(value)]))
    : null;
}

/** Keeps the shape of the operand (a list, named arguments or one value) and makes each value a literal. */
function compileArgument(operand: Value, compile: Compile, name: string): Expression {
  if (isArray(operand)) {
    const list = operand.map((element) => compile(element));
    return (environment) => list.map((element) => literal(element(environment), name));
  }
  const isNamed = isDocument(operand) && !Object.keys(operand)[0]?.startsWith('$');
  if (!isNamed) {
    const single = compile(operand);
    return (environment) => literal(single(environment), name);
  }
  const fields = Object.entries(operand satisfies Document).map(
    ([field, value]) => [field, compile(value)] as const,
  );
  return (environment) =>
    Object.fromEntries(fields.map(([field, value]) => [field, literal(value(environment), name)]));
}

function literal(value: Value | undefined, name: string): Document {
  return { $literal: plain(value, name) };
}

/** The value as mingo knows it: a JavaScript number or date. */
function plain(value: Value | undefined, name: string): Value {
  if (value instanceof Double) return value.value;
  if (value instanceof ObjectId) return value.getTimestamp();
  if (value instanceof Timestamp) return new Date(value.high * 1000);
  if (value instanceof Decimal128) throw notSupported(`the expression ${name} of a decimal128`);
  if (typeof value === 'bigint') {
    if (!Number.isSafeInteger(Number(value)))
      throw badValue(`the number ${value} is too large for this operator`);
    return Number(value);
  }
  return value ?? null;
}

export const delegatedOperators: Readonly<Record<string, OperatorCompiler>> = Object.fromEntries(
  names.map((name) => [name, delegate(name)]),
);
