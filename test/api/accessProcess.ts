import { createHash } from 'node:crypto';
import { startProcess, type TestProcess } from '../support/processes.ts';

/** The server of `accessServer.ts`. */
export interface AccessProcess extends TestProcess {
  readonly url: string;
}

export async function startAccessServer(
  environment: Readonly<Record<string, string>>,
): Promise<AccessProcess> {
  const server = startProcess('test/api/accessServer.ts', environment);
  const line = await server.line((text) => text.includes('The API listens'));
  return Object.assign(server, { url: String(JSON.parse(line).address) });
}

/** A JWT of any header and claims, not signed. */
export function unsignedToken(header: object, claims: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode(header)}.${encode(claims)}.`;
}

/** The `kid` of a secret's tokens. */
export function keyIdOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex').slice(0, 8);
}
