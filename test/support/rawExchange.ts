import { connect } from 'node:net';

/**
 * Sends bytes and gives back all that came until the server closed the connection or the wanted text was there.
 *
 * @param pieces - written one after the other
 */
export function rawExchange(
  url: string,
  pieces: readonly (string | Buffer)[],
  until: RegExp = /\r\n\r\n.*\}/s,
): Promise<string> {
  const { port, hostname } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    const finish = () => {
      socket.destroy();
      resolve(received);
    };
    socket.on('connect', () => {
      for (const piece of pieces) socket.write(piece);
    });
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (until.test(received)) finish();
    });
    socket.on('end', finish);
    socket.on('error', (error) => (received === '' ? reject(error) : finish()));
  });
}
