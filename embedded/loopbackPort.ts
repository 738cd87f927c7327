import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the range from which the kernel takes the ports of outgoing connections (32768 on Linux, 49152 elsewhere):
 * a client that keeps reconnecting to a stopped loopback server could otherwise be given that very port, connect
 * to itself, and keep the server from coming back.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const TRIES = 50;

/**
 * Whether nothing listens on the port at the moment.
 *
 * @throws the error of the operating system when nobody could listen there: a privileged port, an address of another machine
 */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const probe = createServer().listen({ port, host, exclusive: true });
  try {
    await once(probe, 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false;
    throw error;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}

/** A loopback port that is free now and that no outgoing connection will take. */
export async function pickLoopbackPort(): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (await isPortFree(port)) return port;
  }
  throw new Error(
    `No free port was found on 127.0.0.1 in ${TRIES} tries between ${FIRST_PORT} and ${LAST_PORT}.`,
  );
}
