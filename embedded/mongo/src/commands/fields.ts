import { isTruthy } from '../aggregation/operators/truth.ts';
import { deserialize } from '../bson/deserialize.ts';
import { toNumber } from '../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, typeName, type Value } from '../bson/values.ts';
import { MongoServerError, typeMismatch, unknownField } from '../errors.ts';
import type { CommandContext } from './command.ts';

// Typed access to the fields of a command.

export function documentField(body: Document, name: string): Document | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (!isDocument(value))
    throw typeMismatch(`BSON field '${name}' is the wrong type '${typeName(value)}', expected type 'object'`);
  return value;
}

export function numberField(body: Document, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (!isNumeric(value))
    throw typeMismatch(`BSON field '${name}' is the wrong type '${typeName(value)}', expected a number`);
  const number = toNumber(value);
  if (!Number.isInteger(number) || number < 0) {
    throw new MongoServerError(
      'BadValue',
      `BSON field '${name}' value must be >= 0, actual value '${number}'`,
    );
  }
  return number;
}

export function booleanField(body: Document, name: string, fallback = false): boolean {
  const value = body[name];
  return value === undefined ? fallback : isTruthy(value);
}

export function arrayField(body: Document, name: string): Value[] | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (!isArray(value))
    throw typeMismatch(`BSON field '${name}' is the wrong type '${typeName(value)}', expected type 'array'`);
  return value;
}

/** The collection a command names in its first field. */
export function collectionName({ body, name }: CommandContext): string {
  return checkedName(body[name], name);
}

export function checkedName(value: Value | undefined, command: string): string {
  if (typeof value !== 'string')
    throw typeMismatch(`collection name has invalid type ${typeName(value)} in ${command}`);
  if (
    value === '' ||
    value.includes('\0') ||
    value.includes('$') ||
    value.startsWith('.') ||
    value.endsWith('.')
  ) {
    throw new MongoServerError('InvalidNamespace', `Invalid collection name specified: '${value}'`);
  }
  return value;
}

/** Statements or documents given as a document sequence or as an array of the body. */
export function documentsField({ body, sequences }: CommandContext, name: string): Document[] {
  const sequence = sequences.get(name);
  if (sequence !== undefined) return sequence.map(deserialize);
  return (arrayField(body, name) ?? []).map((element) => {
    if (!isDocument(element)) throw typeMismatch(`BSON field '${name}' must hold objects`);
    return element;
  });
}

/** @throws MongoServerError IDLUnknownField for a field that would otherwise be ignored silently */
export function checkFields(document: Document, known: readonly string[], command: string): void {
  for (const field of Object.keys(document)) {
    if (!known.includes(field)) throw unknownField(command, field);
  }
}
