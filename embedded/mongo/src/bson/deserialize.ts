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
import { invalidBson } from '../errors.ts';
import { type Document, isInt32, type Value } from './values.ts';

const maximumDepth = 180;

/**
 * Reads one BSON document. Unlike the reader of the `bson` package it keeps int32, double and int64 apart
 * without wrapping every number (see `Value`), and it never interprets `$ref`/`$id` as a reference class.
 * @throws MongoServerError InvalidBSON when the bytes are not a well-formed document
 */
export function deserialize(bytes: Buffer): Document {
  if (bytes.length < 5 || bytes.readInt32LE(0) !== bytes.length || bytes[bytes.length - 1] !== 0) {
    throw invalidBson('the length does not match');
  }
  const reader = new Reader(bytes);
  try {
    return reader.document(0);
  } catch (error) {
    if (error instanceof RangeError) throw invalidBson('it ends too early');
    throw error;
  }
}

class Reader {
  private position = 0;
  private readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  document(depth: number): Document {
    const end = this.enter(depth);
    const document: Document = {};
    for (;;) {
      const type = this.byte();
      if (type === 0) break;
      const name = this.fieldName();
      const value = this.value(type, depth);
      if (name === '__proto__') {
        Object.defineProperty(document, name, {
          value,
          enumerable: true,
          writable: true,
          configurable: true,
        });
      } else {
        document[name] = value;
      }
    }
    if (this.position !== end) throw invalidBson('an embedded document has a wrong length');
    return document;
  }

  private array(depth: number): Value[] {
    const end = this.enter(depth);
    const values: Value[] = [];
    for (;;) {
      const type = this.byte();
      if (type === 0) break;
      while (this.byte() !== 0);
      values.push(this.value(type, depth));
    }
    if (this.position !== end) throw invalidBson('an array has a wrong length');
    return values;
  }

  private enter(depth: number): number {
    if (depth > maximumDepth) throw invalidBson(`it is nested deeper than ${maximumDepth} levels`);
    const end = this.position + this.int32();
    if (end > this.bytes.length || end < this.position) throw invalidBson('a length points past the end');
    return end;
  }

  private byte(): number {
    const byte = this.bytes[this.position++];
    if (byte === undefined) throw invalidBson('it ends too early');
    return byte;
  }

  private int32(): number {
    const value = this.bytes.readInt32LE(this.position);
    this.position += 4;
    return value;
  }

  private fieldName(): string {
    const start = this.position;
    const { bytes } = this;
    let hash = 0;
    let position = start;
    let byte = bytes[position];
    while (byte !== 0) {
      if (byte === undefined) throw invalidBson('it ends too early');
      hash = (hash * 31 + byte) | 0;
      byte = bytes[++position];
    }
    this.position = position + 1;
    return internedName(bytes, start, position, hash);
  }

  private cString(): string {
    const end = this.bytes.indexOf(0, this.position);
    if (end < 0) throw invalidBson('a string has no end');
    const text = this.bytes.toString('utf8', this.position, end);
    this.position = end + 1;
    return text;
  }

  private string(): string {
    const length = this.int32();
    const end = this.position + length;
    if (length < 1 || end > this.bytes.length || this.bytes[end - 1] !== 0) {
      throw invalidBson('a string has a wrong length');
    }
    const text = this.bytes.toString('utf8', this.position, end - 1);
    this.position = end;
    return text;
  }

  private take(length: number): Buffer {
    const end = this.position + length;
    if (length < 0 || end > this.bytes.length) throw invalidBson('it ends too early');
    const copy = Buffer.from(this.bytes.subarray(this.position, end));
    this.position = end;
    return copy;
  }

  private value(type: number, depth: number): Value {
    switch (type) {
      case 0x01: {
        const number = this.bytes.readDoubleLE(this.position);
        this.position += 8;
        return isInt32(number) ? new Double(number) : number;
      }
      case 0x02:
        return this.string();
      case 0x03:
        return this.document(depth + 1);
      case 0x04:
        return this.array(depth + 1);
      case 0x05:
        return this.binary();
      case 0x06: // the deprecated "undefined" reads as null, which is how it compares and matches
      case 0x0a:
        return null;
      case 0x07:
        return new ObjectId(this.take(12));
      case 0x08:
        return this.byte() === 1;
      case 0x09:
        return new Date(Number(this.int64()));
      case 0x0b:
        return new BSONRegExp(this.cString(), [...this.cString()].sort().join(''));
      case 0x0d:
        return new Code(this.string());
      case 0x0e:
        return new BSONSymbol(this.string());
      case 0x10:
        return this.int32();
      case 0x11: {
        const increment = this.bytes.readUInt32LE(this.position);
        const seconds = this.bytes.readUInt32LE(this.position + 4);
        this.position += 8;
        return new Timestamp({ t: seconds, i: increment });
      }
      case 0x12:
        return this.int64();
      case 0x13:
        return new Decimal128(this.take(16));
      case 0xff:
        return new MinKey();
      case 0x7f:
        return new MaxKey();
      default:
        throw invalidBson(
          `it holds a value of type 0x${type.toString(16)}, which this server does not support`,
        );
    }
  }

  private int64(): bigint {
    const value = this.bytes.readBigInt64LE(this.position);
    this.position += 8;
    return value;
  }

  private binary(): Binary {
    const length = this.int32();
    const subtype = this.byte();
    if (subtype !== Binary.SUBTYPE_BYTE_ARRAY) return new Binary(this.take(length), subtype);
    const inner = this.int32();
    return new Binary(this.take(inner), subtype);
  }
}

// Field names repeat in every document: reading them from a small table is faster than decoding and keeps
// one string per name in memory. Slots are overwritten, so the table cannot grow.
const nameSlots = 4096;
const names: (string | undefined)[] = new Array(nameSlots).fill(undefined);
const nameBytes: (Uint8Array | undefined)[] = new Array(nameSlots).fill(undefined);

function internedName(bytes: Buffer, start: number, end: number, hash: number): string {
  const slot = hash & (nameSlots - 1);
  const known = nameBytes[slot];
  const knownName = names[slot];
  if (known !== undefined && knownName !== undefined && known.length === end - start) {
    let index = 0;
    while (index < known.length && known[index] === bytes[start + index]) index++;
    if (index === known.length) return knownName;
  }
  const name = bytes.toString('utf8', start, end);
  names[slot] = name;
  nameBytes[slot] = Uint8Array.prototype.slice.call(bytes, start, end);
  return name;
}
