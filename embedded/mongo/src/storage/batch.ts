/**
 * A batch of changes, packed into one transferable buffer on its way to the storage thread.
 * Each change: kind (1 byte), collection (4), record (8, double), length (4), bytes.
 */
export const changeKind = {
  putDocument: 1,
  removeDocument: 2,
  putCollection: 3,
  dropCollection: 4,
  putSession: 5,
  removeSession: 6,
} as const;

export type ChangeKind = (typeof changeKind)[keyof typeof changeKind];

export interface Change {
  kind: ChangeKind;
  collection: number;
  record: number;
  bytes: Buffer;
}

const headerBytes = 17;
const initialBytes = 8 * 1024;

export class BatchWriter {
  private buffer = Buffer.allocUnsafeSlow(initialBytes);
  private position = 0;

  get isEmpty(): boolean {
    return this.position === 0;
  }

  get bytes(): number {
    return this.position;
  }

  add(kind: ChangeKind, collection: number, record: number, bytes: Uint8Array | null): void {
    const length = bytes === null ? 0 : bytes.length;
    this.reserve(headerBytes + length);
    const { buffer, position } = this;
    buffer[position] = kind;
    buffer.writeUInt32LE(collection, position + 1);
    buffer.writeDoubleLE(record, position + 5);
    buffer.writeUInt32LE(length, position + 13);
    if (bytes !== null) buffer.set(bytes, position + headerBytes);
    this.position = position + headerBytes + length;
  }

  /** Hands over the packed changes and starts an empty batch. */
  take(): Buffer {
    const packed = this.buffer.subarray(0, this.position);
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.position = 0;
    return packed;
  }

  private reserve(bytes: number): void {
    const needed = this.position + bytes;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.position);
    this.buffer = larger;
  }
}

export function* readBatch(packed: Buffer): Generator<Change> {
  let position = 0;
  while (position < packed.length) {
    const length = packed.readUInt32LE(position + 13);
    const start = position + headerBytes;
    yield {
      kind: kindAt(packed, position),
      collection: packed.readUInt32LE(position + 1),
      record: packed.readDoubleLE(position + 5),
      bytes: packed.subarray(start, start + length),
    };
    position = start + length;
  }
}

const kinds = new Map<number, ChangeKind>(Object.values(changeKind).map((kind) => [kind, kind]));

function kindAt(packed: Buffer, position: number): ChangeKind {
  const kind = kinds.get(packed[position] ?? 0);
  if (kind === undefined) throw new RangeError(`a batch holds the unknown change kind ${packed[position]}`);
  return kind;
}
