import { connect } from 'node:net';

const ANSWER_LIMIT_MS = 2_000;

/** Whether a Redis on the loopback port answers PING with PONG; one that still loads its data does not. */
export function pingRedis(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(ANSWER_LIMIT_MS, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (answer) => finish(answer.toString('latin1').startsWith('+PONG')));
  });
}
