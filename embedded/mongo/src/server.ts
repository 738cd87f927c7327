import { createServer, type Server } from 'node:net';
import { ChangeLog } from './changeStreams/changeLog.ts';
import type { ServerState } from './commands/command.ts';
import { dispatch } from './commands/dispatch.ts';
import { Cursors } from './cursors/cursors.ts';
import { deleteExpired } from './index/ttl.ts';
import { changeKind } from './storage/batch.ts';
import type { CommitFailed } from './storage/errors.ts';
import { Journal } from './storage/journal.ts';
import { Store } from './store/store.ts';
import { Sessions } from './transactions/sessions.ts';
import { Connection } from './wire/connection.ts';

export interface MongoServerOptions {
  /** The SQLite data file; created when it does not exist. */
  file: string;
  /** 0: any free port */
  port: number;
  /** A loopback address: there is no authentication. */
  host?: string;
}

export interface MongoServer {
  port: number;
  /** Stops accepting, finishes the running commands, flushes to disk and closes the file. */
  close(): Promise<void>;
  /** Settles when writing to disk failed. The server then answers no more and must be closed. */
  failed: Promise<CommitFailed>;
}

/** Without authentication the server must not be reachable from other machines. */
export class HostRefused extends Error {
  constructor(host: string) {
    super(
      `The embedded MongoDB server has no authentication and only listens on loopback, not on ${host}. Use 127.0.0.1, ::1 or localhost.`,
    );
    this.name = 'HostRefused';
  }
}

const loopbackHosts = new Set(['127.0.0.1', 'localhost', '::1']);
const sweepMilliseconds = 1000;

/**
 * Opens the data file and serves MongoDB's wire protocol.
 * @throws HostRefused, DataFileInUse, DataFileDamaged, or the error of listening (EADDRINUSE)
 */
export async function startMongoServer({
  file,
  port,
  host = '127.0.0.1',
}: MongoServerOptions): Promise<MongoServer> {
  if (!loopbackHosts.has(host)) throw new HostRefused(host);
  const store = new Store(new ChangeLog());
  const sessions = new Sessions(store);
  const journal = await Journal.open(file, (row) => {
    if (row.kind === changeKind.putSession) sessions.load(row.bytes);
    else store.loadRow(row);
  });
  store.journal = journal;
  const listener = createServer();
  try {
    await listen(listener, port, host);
  } catch (error) {
    await journal.close();
    throw error;
  }
  const actualPort = portOf(listener);
  const address = `${host.includes(':') ? `[${host}]` : host}:${actualPort}`;
  const server: ServerState = { store, sessions, cursors: new Cursors(), startedAt: new Date(), address };
  const connections = acceptConnections(listener, server);
  const sweeper = setInterval(() => sweep(server), sweepMilliseconds);
  const stop = async () => {
    clearInterval(sweeper);
    listener.close();
    server.cursors.killAll();
    sessions.abortAll();
    await Promise.all([...connections].map((connection) => connection.end()));
    await journal.close();
  };
  let stopped: Promise<void> | null = null;
  const close = () => {
    stopped ??= stop();
    return stopped;
  };
  return { port: actualPort, close, failed: journal.failed };
}

function listen(listener: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, host, () => resolve());
  });
}

function portOf(listener: Server): number {
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
  return address.port;
}

function acceptConnections(listener: Server, server: ServerState): ReadonlySet<Connection> {
  const connections = new Set<Connection>();
  listener.on('connection', (socket) => {
    const connection = new Connection(socket, (request, { id }) => dispatch(server, request, id));
    connections.add(connection);
    void connection.closed.then(() => {
      connections.delete(connection);
      server.sessions.abortOf(connection.id);
    });
  });
  return connections;
}

/** Expires documents, idle transactions, sessions and cursors. */
function sweep({ store, sessions, cursors }: ServerState): void {
  const now = Date.now();
  deleteExpired(store, now);
  sessions.sweep(now);
  cursors.sweep(now);
}
