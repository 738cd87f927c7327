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
import { documentTooLarge } from '../errors.ts';
import { isInt32, type Value } from './values.ts';

/** A document that is already BSON; a serialized reply copies its bytes. */
export class RawDocument {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

export type Serializable =
  | Value
  | RawDocument
  | undefined
  | Serializable[]
  | { [field: string]: Serializable };

export interface SerializableDocument {
  [field: string]: Serializable;
}

let scratch = Buffer.allocUnsafeSlow(64 * 1024);
let position = 0;
const maximumScratch = 64 * 1024 * 1024;

/** Writes a document as BSON; fields that are `undefined` are left out. */
export function serialize(document: SerializableDocument): Buffer {
  return serializeAfter(0, document);
}

/** As `serialize`, with `headroom` unset bytes in front, for a message header. */
export function serializeAfter(headroom: number, document: SerializableDocument): Buffer {
  position = headroom;
  reserve(0);
  writeDocument(document);
  return Buffer.from(scratch.subarray(0, position));
}

function reserve(bytes: number): void {
  const needed = position + bytes + 16;
  if (needed <= scratch.length) return;
  if (needed > maximumScratch) throw documentTooLarge(needed);
  const larger = Buffer.allocUnsafeSlow(Math.min(maximumScratch, Math.max(scratch.length * 2, needed)));
  scratch.copy(larger, 0, 0, position);
  scratch = larger;
}

function writeDocument(document: SerializableDocument): void {
  const start = position;
  reserve(8);
  position += 4;
  for (const name in document) {
    const value = document[name];
    if (value !== undefined) writeElement(name, value);
  }
  finish(start);
}

function writeArray(values: readonly Serializable[]): void {
  const start = position;
  reserve(8);
  position += 4;
  for (let index = 0; index < values.length; index++)
    writeElement(arrayIndexName(index), values[index] ?? null);
  finish(start);
}

function finish(start: number): void {
  reserve(1);
  scratch[position++] = 0;
  scratch.writeInt32LE(position - start, start);
}

const indexNames = Array.from({ length: 1000 }, (_, index) => String(index));

function arrayIndexName(index: number): string {
  return indexNames[index] ?? String(index);
}

function header(type: number, name: string): void {
  reserve(name.length * 3 + 24);
  scratch[position++] = type;
  const { length } = name;
  let index = 0;
  for (; index < length; index++) {
    const code = name.charCodeAt(index);
    if (code > 0x7f) break;
    scratch[position + index] = code;
  }
  if (index === length) position += length;
  else position += scratch.write(name, position, 'utf8');
  scratch[position++] = 0;
}

function writeElement(name: string, value: Exclude<Serializable, undefined>): void {
  switch (typeof value) {
    case 'string':
      header(0x02, name);
      writeString(value);
      return;
    case 'number':
      if (isInt32(value)) {
        header(0x10, name);
        position = scratch.writeInt32LE(value, position);
      } else {
        header(0x01, name);
        position = scratch.writeDoubleLE(value, position);
      }
      return;
    case 'bigint':
      header(0x12, name);
      position = scratch.writeBigInt64LE(value, position);
      return;
    case 'boolean':
      header(0x08, name);
      scratch[position++] = value ? 1 : 0;
      return;
    default:
      if (value === null) header(0x0a, name);
      else writeObject(name, value);
  }
}

function writeObject(
  name: string,
  value: Exclude<Serializable, undefined | null | string | number | bigint | boolean>,
): void {
  if (Array.isArray(value)) {
    header(0x04, name);
    writeArray(value);
  } else if (value instanceof RawDocument) {
    header(0x03, name);
    writeBytes(value.bytes);
  } else if (value instanceof ObjectId) {
    header(0x07, name);
    writeBytes(value.id);
  } else if (value instanceof Date) {
    header(0x09, name);
    position = scratch.writeBigInt64LE(BigInt(value.getTime()), position);
  } else if (value instanceof Double) {
    header(0x01, name);
    position = scratch.writeDoubleLE(value.value, position);
  } else if (value instanceof Decimal128) {
    header(0x13, name);
    writeBytes(value.bytes);
  } else if (value instanceof Binary) {
    header(0x05, name);
    writeBinary(value);
  } else if (value instanceof Timestamp) {
    header(0x11, name);
    position = scratch.writeInt32LE(value.low, position);
    position = scratch.writeInt32LE(value.high, position);
  } else if (value instanceof BSONRegExp) {
    header(0x0b, name);
    writeCString(value.pattern);
    writeCString(value.options);
  } else if (value instanceof Code) {
    header(0x0d, name);
    writeString(value.code);
  } else if (value instanceof BSONSymbol) {
    header(0x0e, name);
    writeString(value.value);
  } else if (value instanceof MinKey) {
    header(0xff, name);
  } else if (value instanceof MaxKey) {
    header(0x7f, name);
  } else {
    header(0x03, name);
    writeDocument(value);
  }
}

function writeString(text: string): void {
  reserve(text.length * 3 + 8);
  const written = scratch.write(text, position + 4, 'utf8');
  scratch.writeInt32LE(written + 1, position);
  position += 4 + written;
  scratch[position++] = 0;
}

function writeCString(text: string): void {
  reserve(text.length * 3 + 8);
  position += scratch.write(text, position, 'utf8');
  scratch[position++] = 0;
}

function writeBytes(bytes: Uint8Array): void {
  reserve(bytes.length);
  scratch.set(bytes, position);
  position += bytes.length;
}

function writeBinary(value: Binary): void {
  const bytes = value.buffer.subarray(0, value.position);
  const legacy = value.sub_type === Binary.SUBTYPE_BYTE_ARRAY;
  reserve(bytes.length + 16);
  position = scratch.writeInt32LE(bytes.length + (legacy ? 4 : 0), position);
  scratch[position++] = value.sub_type;
  if (legacy) position = scratch.writeInt32LE(bytes.length, position);
  writeBytes(bytes);
}
