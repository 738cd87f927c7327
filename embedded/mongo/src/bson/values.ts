import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  Decimal128,
  Double,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from 'bson';

/**
 * A BSON value as this server holds it in memory. The JavaScript type carries the BSON type, so every value
 * round-trips:
 *
 * - `number`: int32 when it is an integer in int32 range (and not -0), otherwise double
 * - `Double`: a double whose value would otherwise read as an int32 (5.0)
 * - `bigint`: int64
 * - `Decimal128`, `ObjectId`, `Binary`, ... : the classes of the `bson` package
 *
 * Values are immutable once stored: every change copies the path it changes.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Double
  | Decimal128
  | ObjectId
  | Binary
  | Timestamp
  | BSONRegExp
  | BSONSymbol
  | Code
  | MinKey
  | MaxKey
  | Value[]
  | Document;

export interface Document {
  [field: string]: Value;
}

export type Numeric = number | bigint | Double | Decimal128;

/** The canonical order of BSON types; values of different types compare by it. */
export const typeOrder = {
  minKey: 1,
  undefined: 2,
  null: 5,
  number: 10,
  string: 15,
  object: 20,
  array: 25,
  binary: 30,
  objectId: 35,
  boolean: 40,
  date: 45,
  timestamp: 47,
  regex: 50,
  code: 60,
  maxKey: 127,
} as const;

export type TypeOrder = (typeof typeOrder)[keyof typeof typeOrder];

const orderByClass = new Map<unknown, TypeOrder>([
  [Object, typeOrder.object],
  [Array, typeOrder.array],
  [ObjectId, typeOrder.objectId],
  [Date, typeOrder.date],
  [Double, typeOrder.number],
  [Decimal128, typeOrder.number],
  [Binary, typeOrder.binary],
  [Timestamp, typeOrder.timestamp],
  [BSONRegExp, typeOrder.regex],
  [BSONSymbol, typeOrder.string],
  [Code, typeOrder.code],
  [MinKey, typeOrder.minKey],
  [MaxKey, typeOrder.maxKey],
]);

export function typeOrderOf(value: Value | undefined): TypeOrder {
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return typeOrder.number;
    case 'string':
      return typeOrder.string;
    case 'boolean':
      return typeOrder.boolean;
    case 'undefined':
      return typeOrder.undefined;
    default:
      return value === null ? typeOrder.null : (orderByClass.get(value.constructor) ?? typeOrder.object);
  }
}

export function isDocument(value: Value | undefined): value is Document {
  return typeof value === 'object' && value !== null && typeOrderOf(value) === typeOrder.object;
}

export function isArray(value: Value | undefined): value is Value[] {
  return Array.isArray(value);
}

export function isNumeric(value: Value | undefined): value is Numeric {
  return typeOrderOf(value) === typeOrder.number;
}

export function isInt32(value: number): boolean {
  return (value | 0) === value && !Object.is(value, -0);
}

/** A double as a Value: wrapped when the bare number would read as an int32. */
export function doubleValue(value: number): number | Double {
  return isInt32(value) ? new Double(value) : value;
}

export const int64Minimum = -(2n ** 63n);
export const int64Maximum = 2n ** 63n - 1n;

export function fitsInt64(value: bigint): boolean {
  return value >= int64Minimum && value <= int64Maximum;
}

/** MongoDB's alias of a value's type, as `$type` names it. */
export function typeName(value: Value | undefined): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return isInt32(value) ? 'int' : 'double';
  if (typeof value === 'bigint') return 'long';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  if (value === null) return 'null';
  if (value instanceof Double) return 'double';
  if (value instanceof Decimal128) return 'decimal';
  if (value instanceof BSONSymbol) return 'symbol';
  return typeNames[typeOrderOf(value)];
}

const typeNames: Record<TypeOrder, string> = {
  [typeOrder.minKey]: 'minKey',
  [typeOrder.undefined]: 'undefined',
  [typeOrder.null]: 'null',
  [typeOrder.number]: 'number',
  [typeOrder.string]: 'string',
  [typeOrder.object]: 'object',
  [typeOrder.array]: 'array',
  [typeOrder.binary]: 'binData',
  [typeOrder.objectId]: 'objectId',
  [typeOrder.boolean]: 'bool',
  [typeOrder.date]: 'date',
  [typeOrder.timestamp]: 'timestamp',
  [typeOrder.regex]: 'regex',
  [typeOrder.code]: 'javascript',
  [typeOrder.maxKey]: 'maxKey',
};
