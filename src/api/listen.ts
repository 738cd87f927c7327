import { once } from 'node:events';
import type { Server } from 'node:http';

/** Another process listens there already. */
export class PortInUseError extends Error {
  override name = 'PortInUseError';

  constructor(host: string, port: number) {
    super(`Port ${port} of ${host} is in use by another process; stop it, or choose another with PORT`);
  }
}

const IDLE_CHECK_MILLISECONDS = 50;

/**
 * Starts to accept connections.
 *
 * @returns the address, such as `http://127.0.0.1:3560`
 * @throws PortInUseError
 */
export async function listen(server: Server, host: string, port: number): Promise<string> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw new PortInUseError(host, port);
    throw error;
  }
  const address = server.address();
  const actualPort = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`;
}

/**
 * Stops accepting, lets the running requests end, and closes each kept connection as soon as it is idle.
 */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const idleCheck = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MILLISECONDS);
  const closed = once(server, 'close');
  server.close();
  await closed;
  clearInterval(idleCheck);
}
