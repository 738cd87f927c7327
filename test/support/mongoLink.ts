import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';

/** A wire between one process and MongoDB that the test can cut, or keep the answers to commits from. */
export interface MongoLink {
  /** For the process's MONGODB_URL. */
  readonly url: string;
  /** Bytes of the answers that came so far. */
  answered(): number;
  /**
   * From now on no answer comes back once a connection has sent a commit; the commit itself goes through.
   *
   * @param spared - so many commits first go as usual
   */
  holdCommits(spared?: number): void;
  /** From now on no answer comes back at all; what is sent goes through. */
  hang(): void;
  /** Lets the answers go on that were held back. */
  release(): void;
  /** Ends every connection and takes no new one. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** The name of the command stands in the message as plain text: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
const COMMIT = Buffer.from('commitTransaction\0');

/** @param mongoUrl - the database as the tests reach it */
export async function openMongoLink(mongoUrl: string): Promise<MongoLink> {
  const target = new URL(mongoUrl);
  const open = new Set<Socket>();
  let holding = false;
  let hanging = false;
  let left = 0;
  let answered = 0;
  let isCut = false;
  const held = new Set<Socket>();
  const heldBack: (() => void)[] = [];

  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const mongo = dial(Number(target.port), target.hostname);
    for (const [socket, peer] of [
      [client, mongo],
      [mongo, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        peer.destroy();
      });
    }
    client.on('data', (bytes) => {
      if (holding && bytes.includes(COMMIT) && left-- <= 0) held.add(mongo);
      mongo.write(bytes);
    });
    mongo.on('data', (bytes) => {
      answered += bytes.length;
      if (hanging || held.has(mongo)) heldBack.push(() => client.write(bytes));
      else client.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The link has no port');

  const endAll = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    // Otherwise the driver would ask the server for its own address and go there.
    url: `mongodb://127.0.0.1:${address.port}${target.pathname}?directConnection=true`,
    answered: () => answered,
    holdCommits(spared = 0) {
      holding = true;
      left = spared;
    },
    hang() {
      hanging = true;
    },
    release() {
      holding = false;
      hanging = false;
      held.clear();
      for (const send of heldBack.splice(0)) send();
    },
    cut() {
      isCut = true;
      endAll();
    },
    mend() {
      isCut = false;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      endAll();
      await closed;
    },
  };
}
