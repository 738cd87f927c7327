import { IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Express, Request, Response } from 'express';
import { isLiveUpgrade } from './live/livePaths.ts';
import { PatientServer } from './patientServer.ts';

/** Bounds against clients that are slow, greedy or many. A body has its own in `body/readBody.ts`. */
const SERVER_OPTIONS = {
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 120_000,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 2_000,
} as const;
const MOST_CONNECTIONS = 10_000;
/** Requests of one connection that wait for the answer to an earlier one. Node begins all that come in one packet, some thousand. */
const MOST_WAITING = 64;
/** Unsent bytes of which the client takes none for so long end the connection. */
const STALLED_MILLISECONDS = 30_000;

/**
 * Makes a server whose requests and responses are born with Express's prototypes. Express would put the prototypes under
 * every single one, which costs a tenth of a small request: the engine forgets what it knew about the object's shape.
 *
 * @param begin - sees every request before Express does
 * @param stalledMilliseconds - for tests
 */
export function createHttpServer(
  app: Express,
  begin: (request: Request, response: Response) => void,
  stalledMilliseconds = STALLED_MILLISECONDS,
): Server {
  class ApiRequest extends IncomingMessage {}
  class ApiResponse extends ServerResponse<ApiRequest> {}
  adopt(app, 'request', ApiRequest.prototype);
  adopt(app, 'response', ApiResponse.prototype);
  const options = {
    ...SERVER_OPTIONS,
    IncomingMessage: ApiRequest,
    ServerResponse: ApiResponse,
    // With a listener for upgrades Node would hand over every request that offers one, and nobody would answer it.
    shouldUpgradeCallback: isLiveUpgrade,
  };
  const server = new PatientServer(options, stalledMilliseconds);
  const waiting = new WeakMap<Socket, number>();
  server.on('request', (request: Request, response: Response) => {
    if (response.socket === null && !mayWait(request, response, waiting)) return;
    begin(request, response);
    app(request, response);
  });
  server.on('checkContinue', (request: Request, response: Response) => {
    request.once('resume', () => {
      if (!response.headersSent) response.writeContinue();
    });
    server.emit('request', request, response);
  });
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}

/** @returns whether it may: a connection on which too many wait is ended, with all that it has sent */
function mayWait(request: Request, response: Response, waiting: WeakMap<Socket, number>): boolean {
  const { socket } = request;
  if (socket.destroyed) return false;
  const count = (waiting.get(socket) ?? 0) + 1;
  if (count > MOST_WAITING) {
    socket.destroy();
    return false;
  }
  waiting.set(socket, count);
  response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
  return true;
}

/** Lets the prototype inherit from Express's own and takes its place, so that Express has nothing left to change. */
function adopt(app: Express, part: 'request' | 'response', prototype: object): void {
  Object.setPrototypeOf(prototype, app[part]);
  Object.assign(app, { [part]: prototype });
}
