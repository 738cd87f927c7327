/**
 * A stand-in for a server that speaks the protocol of Amazon S3, with one bucket that is named in the path. It keeps objects in
 * memory, refuses what is not signed with its keys, and behaves as badly as it is told.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isSigned, type StoreKeys } from './objectStore/signature.ts';

/** One request as it arrived, whatever became of it. */
export interface StoreRequest {
  readonly method: string;
  /** Without the bucket. */
  readonly key: string;
  readonly range: string | undefined;
}

export type StoreBehaviour =
  /** Such as 503 `SlowDown`. */
  | { readonly kind: 'refuse'; readonly status: number; readonly code: string }
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Sends the head of the answer and half of the body, and closes. */
  | { readonly kind: 'truncate' }
  /** Sends the head of the answer and half of the body, and nothing more. */
  | { readonly kind: 'stall' }
  /** Drops the connection instead of an answer. */
  | { readonly kind: 'drop' };

/** @returns the behaviour for a request; nothing for a good one */
export type StoreScript = (request: StoreRequest) => StoreBehaviour | undefined;

export interface StoredObject {
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly modified: Date;
}

export interface ObjectStore {
  readonly url: string;
  readonly bucket: string;
  readonly keys: StoreKeys;
  readonly objects: Map<string, StoredObject>;
  readonly received: readonly StoreRequest[];
  behave(script: StoreScript): void;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer;
}

const KEYS_A_PAGE = 20;

/** Starts the server on loopback. */
export async function startObjectStore(): Promise<ObjectStore> {
  const bucket = 'sandbox-bucket';
  const keys = { accessKeyId: 'SANDBOXKEY', secretAccessKey: 'sandbox/secret+key' };
  const objects = new Map<string, StoredObject>();
  const received: StoreRequest[] = [];
  let script: StoreScript = () => undefined;

  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = new URL(request.url ?? '', 'http://sandbox');
    const [, inBucket = '', ...names] = address.pathname.split('/');
    const seen = { method: `${request.method}`, key: names.join('/'), range: request.headers.range };
    const body = await readWhole(request);
    received.push(seen);
    const behaviour = script(seen);
    if (behaviour?.kind === 'hang') return;
    if (behaviour?.kind === 'drop') {
      request.socket.destroy();
      return;
    }
    if (behaviour?.kind === 'refuse') send(response, refusal(behaviour.status, behaviour.code));
    else if (!isSigned(request, body, keys)) send(response, refusal(403, 'SignatureDoesNotMatch'));
    else if (inBucket !== bucket) send(response, refusal(404, 'NoSuchBucket'));
    // As servers do that do not know the framing in which newer clients send checksums behind a body.
    else if (request.headers['content-encoding']) send(response, refusal(501, 'NotImplemented'));
    else send(response, carryOut(seen, address.searchParams, request, body), behaviour);
  }

  function carryOut(
    { method, key, range }: StoreRequest,
    query: URLSearchParams,
    request: IncomingMessage,
    body: Buffer,
  ): Answer {
    if (key === '') return method === 'HEAD' ? empty(200) : list(query);
    const object = objects.get(key);
    switch (method) {
      case 'PUT':
        if (object && request.headers['if-none-match'] === '*') return refusal(412, 'PreconditionFailed');
        objects.set(key, {
          bytes: body,
          contentType: request.headers['content-type'] ?? 'application/octet-stream',
          modified: new Date(),
        });
        return empty(200, { ETag: etagOf(body) });
      case 'DELETE':
        objects.delete(key);
        return empty(204);
      case 'GET':
      case 'HEAD':
        return object ? show(object, range) : refusal(404, 'NoSuchKey');
      default:
        return refusal(405, 'MethodNotAllowed');
    }
  }

  function list(query: URLSearchParams): Answer {
    const prefix = query.get('prefix') ?? '';
    const found = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const page = found.slice(0, KEYS_A_PAGE).map((key) => `<Contents><Key>${key}</Key></Contents>`);
    const truncated = `<IsTruncated>${found.length > KEYS_A_PAGE}</IsTruncated>`;
    return xml(200, `<ListBucketResult>${truncated}${page.join('')}</ListBucketResult>`);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    bucket,
    keys,
    objects,
    received,
    behave(next) {
      script = next;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function show({ bytes, contentType, modified }: StoredObject, range: string | undefined): Answer {
  const headers = {
    'Content-Type': contentType,
    'Last-Modified': modified.toUTCString(),
    ETag: etagOf(bytes),
    'Accept-Ranges': 'bytes',
  };
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  if (from === undefined || to === undefined) return { status: 200, headers, body: bytes };
  if (Number(from) >= bytes.length) return refusal(416, 'InvalidRange');
  const body = bytes.subarray(Number(from), Number(to) + 1);
  const end = Number(from) + body.length - 1;
  return {
    status: 206,
    headers: { ...headers, 'Content-Range': `bytes ${from}-${end}/${bytes.length}` },
    body,
  };
}

/** A HEAD gets the same head, and Node leaves the body out. */
function send(response: ServerResponse, { status, headers, body }: Answer, behaviour?: StoreBehaviour): void {
  response.writeHead(status, { ...headers, ...(status === 204 ? {} : { 'Content-Length': body.length }) });
  if (behaviour?.kind !== 'truncate' && behaviour?.kind !== 'stall') {
    response.end(body);
    return;
  }
  response.flushHeaders();
  const half = body.subarray(0, Math.floor(body.length / 2));
  response.write(half, () => {
    if (behaviour.kind === 'truncate') response.destroy();
  });
}

function empty(status: number, headers: Answer['headers'] = {}): Answer {
  return { status, headers, body: Buffer.alloc(0) };
}

function refusal(status: number, code: string): Answer {
  return xml(status, `<Error><Code>${code}</Code><Message>As the test wanted</Message></Error>`);
}

function xml(status: number, content: string): Answer {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${content}`);
  return { status, headers: { 'Content-Type': 'application/xml' }, body };
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

async function readWhole(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('The store does not listen on a port');
  return address.port;
}
