import { type Document, isArray, isDocument, type Value } from '../../bson/values.ts';
import { failedToParse, typeMismatch } from '../../errors.ts';
import { isNullish, namedArguments, type OperatorCompiler, unary, variadic } from './operator.ts';

function fieldName(value: Value | undefined, name: string): string {
  const literal = isDocument(value) ? value.$literal : value;
  if (typeof literal !== 'string') throw failedToParse(`${name} requires 'field' to be a constant string`);
  return literal;
}

const getField: OperatorCompiler = (operand, compile, name) => {
  const short = typeof operand === 'string' || (isDocument(operand) && '$literal' in operand);
  const { field, input } = short
    ? { field: operand, input: '$$CURRENT' }
    : namedArguments(operand, name, ['field'], ['input']);
  const key = fieldName(field, name);
  const source = compile(input ?? '$$CURRENT');
  return (environment) => {
    const document = source(environment);
    return isDocument(document) && Object.hasOwn(document, key)
      ? document[key]
      : isNullish(document)
        ? null
        : undefined;
  };
};

const setField: OperatorCompiler = (operand, compile, name) => {
  const { field, input, value } = namedArguments(operand, name, ['field', 'input'], ['value']);
  const key = fieldName(field, name);
  const source = compile(input ?? null);
  const replacement = compile(name === '$unsetField' ? '$$REMOVE' : (value ?? null));
  return (environment) => {
    const document = source(environment);
    if (isNullish(document)) return null;
    if (!isDocument(document)) throw typeMismatch(`${name} requires 'input' to evaluate to an object`);
    const { [key]: _old, ...rest } = document;
    const next = replacement(environment);
    return next === undefined ? rest : { ...document, [key]: next };
  };
};

export const objectOperators: Readonly<Record<string, OperatorCompiler>> = {
  $mergeObjects: variadic((values, name) => {
    const merged: Document = {};
    const sources = values.length === 1 && isArray(values[0]) ? values[0] : values;
    for (const value of sources) {
      if (isNullish(value)) continue;
      if (!isDocument(value)) throw typeMismatch(`${name} requires object inputs`);
      Object.assign(merged, value);
    }
    return merged;
  }),
  $objectToArray: unary((value, name) => {
    if (isNullish(value)) return null;
    if (!isDocument(value)) throw typeMismatch(`${name} requires a document input`);
    return Object.entries(value).map(([k, v]) => ({ k, v }));
  }),
  $arrayToObject: unary((value, name) => {
    if (isNullish(value)) return null;
    if (!isArray(value)) throw typeMismatch(`${name} requires an array input`);
    return Object.fromEntries(value.map((pair) => keyAndValue(pair, name)));
  }),
  $getField: getField,
  $setField: setField,
  $unsetField: setField,
};

function keyAndValue(pair: Value, name: string): [string, Value] {
  const [key, value] = isArray(pair) ? pair : isDocument(pair) ? [pair.k, pair.v] : [];
  if (typeof key !== 'string' || value === undefined)
    throw typeMismatch(`${name} requires pairs of a string key and a value`);
  return [key, value];
}
