import type { IncomingMessage } from 'node:http';

export const SOCKET_IO_PATH = '/socket.io/';
export const RAW_SOCKET_PATH = '/ws';

/** Whether it asks for a WebSocket where there is one. Everything else is answered without an upgrade (RFC 9110, 7.8). */
export function isLiveUpgrade({ url = '', headers }: IncomingMessage): boolean {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return false;
  return url.startsWith(SOCKET_IO_PATH) || url.split('?', 1)[0] === RAW_SOCKET_PATH;
}
