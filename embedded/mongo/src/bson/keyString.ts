import { Binary, BSONRegExp, BSONSymbol, Code, Decimal128, Double, ObjectId, Timestamp } from 'bson';
import { type Decimal, decodeDecimal } from './decimal.ts';
import { compareNumbers } from './numbers.ts';
import { isArray, type Numeric, typeOrder, typeOrderOf, type Value } from './values.ts';

/**
 * Encodes a value as a string whose order by UTF-16 code units is the BSON order of the values, exact also
 * for int64 and decimal128. Encodings are self-delimiting, so those of a compound key can be joined.
 */
export function keyString(value: Value | undefined, fold?: (text: string) => string): string {
  if (typeof value === 'string') return stringTag + textKey(fold ? fold(value) : value);
  if (typeof value === 'number') return numberTag + doubleKey(value) + exactMark;
  if (value === undefined || value === null) return nullKey;
  if (typeof value === 'bigint') return numberTag + integerKey(value);
  if (typeof value === 'boolean') return value ? trueKey : falseKey;
  if (value instanceof ObjectId) return objectIdTag + objectIdKey(value);
  if (value instanceof Date) return dateTag + doubleKey(value.getTime());
  return rareKey(value, fold);
}

/** What an index holds for an empty array: it sorts before null. */
export const emptyArrayKey = tag(typeOrder.undefined);
export const nullKey = tag(typeOrder.null);

const numberTag = tag(typeOrder.number);
const stringTag = tag(typeOrder.string);
const objectIdTag = tag(typeOrder.objectId);
const dateTag = tag(typeOrder.date);
const trueKey = `${tag(typeOrder.boolean)}\x01`;
const falseKey = `${tag(typeOrder.boolean)}\x00`;

function tag(order: number): string {
  return String.fromCharCode(order);
}

/** The type tag a value's encoding starts with: all values of one type form one range. */
export function typeTag(value: Value): string {
  return tag(typeOrderOf(value));
}

function rareKey(
  value: Exclude<Value, null | string | number | bigint | boolean>,
  fold?: (text: string) => string,
): string {
  const start = tag(typeOrderOf(value));
  if (value instanceof Double) return start + doubleKey(value.value) + exactMark;
  if (value instanceof Decimal128) return start + decimalKey(value);
  if (isArray(value)) return `${start}${value.map((element) => keyString(element, fold)).join('')}\0`;
  if (value instanceof Binary) {
    const bytes = Buffer.from(value.buffer.subarray(0, value.position));
    return start + doubleKey(bytes.length) + String.fromCharCode(value.sub_type) + bytes.toString('latin1');
  }
  if (value instanceof Timestamp) return start + doubleKey(value.high >>> 0) + doubleKey(value.low >>> 0);
  if (value instanceof BSONRegExp) return start + textKey(value.pattern) + textKey(value.options);
  if (value instanceof BSONSymbol) return start + textKey(fold ? fold(value.value) : value.value);
  if (value instanceof Code) return start + textKey(value.code);
  if (typeOrderOf(value) !== typeOrder.object) return start;
  let key = start;
  for (const [name, field] of Object.entries(value)) {
    key += tag(typeOrderOf(field)) + textKey(name) + keyString(field, fold);
  }
  return `${key}\0`;
}

const needsEscape = /[\0\ud800-\uffff]/;

function textKey(text: string): string {
  return `${needsEscape.test(text) ? escapeText(text) : text}\0\x01`;
}

/** Keeps NUL apart from the terminator and moves surrogates above U+FFFF, as UTF-8 orders them. */
function escapeText(text: string): string {
  let escaped = '';
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === 0) escaped += '\0\xff';
    else if (unit < 0xd800) escaped += text[index];
    else escaped += String.fromCharCode(unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
  }
  return escaped;
}

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);

/** Eight characters that order like the doubles; NaN before all, -0 equal to 0. */
function doubleKey(value: number): string {
  if (Number.isNaN(value)) return '\0\0\0\0\0\0\0\0';
  float[0] = value === 0 ? 0 : value;
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, b7 = 0] = floatBytes;
  if (b7 & 0x80) {
    return String.fromCharCode(
      b7 ^ 0xff,
      b6 ^ 0xff,
      b5 ^ 0xff,
      b4 ^ 0xff,
      b3 ^ 0xff,
      b2 ^ 0xff,
      b1 ^ 0xff,
      b0 ^ 0xff,
    );
  }
  return String.fromCharCode(b7 | 0x80, b6, b5, b4, b3, b2, b1, b0);
}

// A number is encoded as the double nearest to it, then a mark: whether it is that double or lies below or
// above, and if so all its decimal digits, which order the numbers that share the double.
const belowMark = '\x01';
const exactMark = '\x02';
const aboveMark = '\x03';

function integerKey(value: bigint): string {
  const nearest = Number(value);
  if (Number.isSafeInteger(nearest)) return doubleKey(nearest) + exactMark;
  return inexactKey(value, nearest, () => decimalDigits(value < 0n, value < 0n ? -value : value, 0));
}

function decimalKey(value: Decimal128): string {
  const decimal: Decimal = decodeDecimal(value);
  if (decimal.kind === 'nan') return doubleKey(Number.NaN) + exactMark;
  if (decimal.kind === 'infinity') return doubleKey(decimal.negative ? -Infinity : Infinity) + exactMark;
  return inexactKey(value, Number(value.toString()), () =>
    decimalDigits(decimal.negative, decimal.coefficient, decimal.exponent),
  );
}

function inexactKey(value: Numeric, nearest: number, digits: () => string): string {
  const side = compareNumbers(value, nearest);
  if (side === 0) return doubleKey(nearest) + exactMark;
  return doubleKey(nearest) + (side < 0 ? belowMark : aboveMark) + digits();
}

/** Exponent, then digits without trailing zeros; complemented for negative numbers. */
function decimalDigits(negative: boolean, coefficient: bigint, exponent: number): string {
  const text = coefficient.toString().replace(/0+$/, '');
  const magnitude = coefficient.toString().length + exponent;
  const key = `${String(magnitude + 10000).padStart(5, '0')}${text}`;
  if (!negative) return `${key}\0`;
  return `${[...key].map((digit) => String(9 - Number(digit))).join('')}:`;
}

/** The encoding that orders the other way round, for descending index fields. */
export function invertKey(key: string): string {
  let inverted = '';
  for (let index = 0; index < key.length; index++)
    inverted += String.fromCharCode(0xffff - key.charCodeAt(index));
  return inverted;
}

function objectIdKey(value: ObjectId): string {
  const { id } = value;
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1');
}
