import { deserialize } from '../bson/deserialize.ts';
import { type SerializableDocument, serializeAfter } from '../bson/serialize.ts';
import type { Document } from '../bson/values.ts';

// MongoDB's wire protocol: OP_MSG, and OP_QUERY for the first handshake of a driver.
// https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/

const operationCode = { reply: 1, query: 2004, message: 2013 } as const;
const headerBytes = 16;
export const maximumMessageBytes = 48_000_000;

const checksumPresent = 1;
const moreToCome = 2;

export interface Request {
  requestId: number;
  body: Document;
  /** Document sequences (payload type 1), still as BSON. */
  sequences: ReadonlyMap<string, readonly Buffer[]>;
  /** The client does not want a reply. */
  isUnacknowledged: boolean;
  isLegacy: boolean;
}

/** Bytes that are not a message this server understands; the connection is closed. */
export class ProtocolError extends Error {
  constructor(finding: string) {
    super(`not a MongoDB wire message: ${finding}`);
    this.name = 'ProtocolError';
  }
}

export function readRequest(message: Buffer): Request {
  const requestId = message.readInt32LE(4);
  const operation = message.readInt32LE(12);
  if (operation === operationCode.message) return readMessage(message, requestId);
  if (operation === operationCode.query) return readLegacyQuery(message, requestId);
  throw new ProtocolError(`operation code ${operation}`);
}

function readMessage(message: Buffer, requestId: number): Request {
  const flags = message.readUInt32LE(headerBytes);
  const end = message.length - (flags & checksumPresent ? 4 : 0);
  const sequences = new Map<string, Buffer[]>();
  let body: Document | null = null;
  let position = headerBytes + 4;
  while (position < end) {
    const kind = message[position];
    const start = position + 1;
    const length = message.readInt32LE(start);
    if (length < 5 || start + length > end) throw new ProtocolError('a section has a wrong length');
    const section = message.subarray(start, start + length);
    if (kind === 0) body = deserialize(section);
    else if (kind === 1) readSequence(section, sequences);
    else throw new ProtocolError(`section kind ${kind}`);
    position = start + length;
  }
  if (body === null) throw new ProtocolError('it has no body');
  return { requestId, body, sequences, isUnacknowledged: (flags & moreToCome) !== 0, isLegacy: false };
}

function readSequence(section: Buffer, sequences: Map<string, Buffer[]>): void {
  const nameEnd = section.indexOf(0, 4);
  const documents: Buffer[] = [];
  let position = nameEnd + 1;
  while (position < section.length) {
    const length = section.readInt32LE(position);
    if (length < 5 || position + length > section.length)
      throw new ProtocolError('a document has a wrong length');
    documents.push(section.subarray(position, position + length));
    position += length;
  }
  sequences.set(section.toString('utf8', 4, nameEnd), documents);
}

function readLegacyQuery(message: Buffer, requestId: number): Request {
  const nameEnd = message.indexOf(0, headerBytes + 4);
  const query = message.subarray(nameEnd + 9);
  const body = deserialize(query.subarray(0, query.readInt32LE(0)));
  return {
    requestId,
    body: { ...body, $db: 'admin' },
    sequences: new Map(),
    isUnacknowledged: false,
    isLegacy: true,
  };
}

let lastRequestId = 0;

/** A reply as one buffer, in the form its request asks for. */
export function writeReply(request: Request, reply: SerializableDocument): Buffer {
  const legacyFields = 20;
  const headroom = headerBytes + (request.isLegacy ? legacyFields : 5);
  const message = serializeAfter(headroom, reply);
  message.fill(0, 0, headroom);
  lastRequestId = (lastRequestId + 1) & 0x7fffffff;
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(lastRequestId, 4);
  message.writeInt32LE(request.requestId, 8);
  message.writeInt32LE(request.isLegacy ? operationCode.reply : operationCode.message, 12);
  if (request.isLegacy) {
    const awaitCapable = 8;
    message.writeInt32LE(awaitCapable, headerBytes);
    message.writeInt32LE(1, headerBytes + 16);
  }
  return message;
}
