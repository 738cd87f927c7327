import { Binary, BSONRegExp, BSONSymbol, Code, ObjectId, Timestamp } from 'bson';
import { compareNumbers } from './numbers.ts';
import { type Document, isArray, isDocument, isNumeric, typeOrderOf, type Value } from './values.ts';

/** Compares two strings; a collation brings its own. */
export type StringOrder = (left: string, right: string) => number;

/** The order of the strings' UTF-8 bytes, which is the order of their code points. */
export function compareStrings(left: string, right: string): number {
  if (left === right) return 0;
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return codePointRank(a) - codePointRank(b);
  }
  return left.length - right.length;
}

// UTF-16 puts the surrogates (code points over U+FFFF) below U+E000..U+FFFF
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** MongoDB's total order over all BSON values; a missing value sorts before null. */
export function compareValues(
  left: Value | undefined,
  right: Value | undefined,
  strings: StringOrder = compareStrings,
): number {
  if (typeof left === 'number' && typeof right === 'number' && left === right) return 0;
  const order = typeOrderOf(left);
  const difference = order - typeOrderOf(right);
  if (difference !== 0) return difference;
  if (isNumeric(left) && isNumeric(right)) return compareNumbers(left, right);
  if (typeof left === 'string' && typeof right === 'string') return strings(left, right);
  if (isDocument(left) && isDocument(right)) return compareDocuments(left, right, strings);
  if (isArray(left) && isArray(right)) return compareArrays(left, right, strings);
  return compareSameType(left, right, strings);
}

function compareSameType(left: Value | undefined, right: Value | undefined, strings: StringOrder): number {
  if (left instanceof ObjectId && right instanceof ObjectId) return Buffer.compare(left.id, right.id);
  if (left instanceof Date && right instanceof Date) return left.getTime() - right.getTime();
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  if (left instanceof Binary && right instanceof Binary) return compareBinaries(left, right);
  if (left instanceof Timestamp && right instanceof Timestamp) {
    return left.high >>> 0 === right.high >>> 0
      ? (left.low >>> 0) - (right.low >>> 0)
      : (left.high >>> 0) - (right.high >>> 0);
  }
  if (left instanceof BSONRegExp && right instanceof BSONRegExp) {
    return compareStrings(left.pattern, right.pattern) || compareStrings(left.options, right.options);
  }
  if (left instanceof Code && right instanceof Code) return compareStrings(left.code, right.code);
  const leftText = left instanceof BSONSymbol ? left.value : left;
  const rightText = right instanceof BSONSymbol ? right.value : right;
  return typeof leftText === 'string' && typeof rightText === 'string' ? strings(leftText, rightText) : 0;
}

function compareBinaries(left: Binary, right: Binary): number {
  return (
    left.position - right.position ||
    left.sub_type - right.sub_type ||
    Buffer.compare(left.buffer.subarray(0, left.position), right.buffer.subarray(0, right.position))
  );
}

function compareDocuments(left: Document, right: Document, strings: StringOrder): number {
  const leftNames = Object.keys(left);
  const rightNames = Object.keys(right);
  const length = Math.min(leftNames.length, rightNames.length);
  for (let index = 0; index < length; index++) {
    const leftName = leftNames[index] ?? '';
    const rightName = rightNames[index] ?? '';
    const result =
      typeOrderOf(left[leftName]) - typeOrderOf(right[rightName]) ||
      compareStrings(leftName, rightName) ||
      compareValues(left[leftName], right[rightName], strings);
    if (result !== 0) return result;
  }
  return leftNames.length - rightNames.length;
}

function compareArrays(left: readonly Value[], right: readonly Value[], strings: StringOrder): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const result = compareValues(left[index], right[index], strings);
    if (result !== 0) return result;
  }
  return left.length - right.length;
}

export function equalValues(left: Value | undefined, right: Value | undefined): boolean {
  return compareValues(left, right) === 0;
}

/** Equal also in type, field order and every bit: an update that leaves a value identical changes nothing. */
export function identicalValues(left: Value | undefined, right: Value | undefined): boolean {
  if (left === right) return typeof left !== 'number' || Object.is(left, right);
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
    return typeof left === 'number' && typeof right === 'number' && Number.isNaN(left) && Number.isNaN(right);
  }
  if (isArray(left) || isArray(right)) {
    if (!isArray(left) || !isArray(right) || left.length !== right.length) return false;
    return left.every((value, index) => identicalValues(value, right[index]));
  }
  if (isDocument(left) && isDocument(right)) {
    const names = Object.keys(left);
    const otherNames = Object.keys(right);
    return (
      names.length === otherNames.length &&
      names.every((name, index) => otherNames[index] === name && identicalValues(left[name], right[name]))
    );
  }
  if (left.constructor !== right.constructor) return false;
  // 1.0 and 1.00 are equal decimals, but not the same value
  if (isNumeric(left)) return String(left) === String(right);
  return compareValues(left, right) === 0;
}
