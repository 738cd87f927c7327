import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface StoreKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/,]+)\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;
const UNSIGNED = 'UNSIGNED-PAYLOAD';

/**
 * Whether the request was signed with these keys, by Signature Version 4: over its method, path, query, signed headers and body
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 */
export function isSigned(request: IncomingMessage, body: Buffer, keys: StoreKeys): boolean {
  const [, keyId, day, region, signedHeaders, signature] =
    AUTHORIZATION.exec(request.headers.authorization ?? '') ?? [];
  if (!keyId || !day || !region || !signedHeaders || !signature) return false;
  const names = signedHeaders.split(';');
  if (keyId !== keys.accessKeyId || !names.includes('host') || !names.includes('x-amz-date')) return false;
  const claimedHash = `${request.headers['x-amz-content-sha256']}`;
  if (claimedHash !== UNSIGNED && claimedHash !== sha256(body)) return false;

  const canonical = [
    request.method,
    pathOf(request),
    canonicalQuery(request),
    ...names.map((name) => `${name}:${`${request.headers[name]}`.trim()}`),
    '',
    signedHeaders,
    claimedHash,
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => hmac(secret, part),
    `AWS4${keys.secretAccessKey}`,
  );
  return timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex'));
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}

function canonicalQuery(request: IncomingMessage): string {
  const query = (request.url ?? '').split('?')[1] ?? '';
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort()
    .join('&');
}

function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
