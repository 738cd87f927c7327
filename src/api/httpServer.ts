import { createServer, IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Express, Request, Response } from 'express';
import { isLiveUpgrade } from './live/livePaths.ts';

/** Bounds against clients that are slow, greedy or many. A body has its own in `body/readBody.ts`. */
const SERVER_OPTIONS = {
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 120_000,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 2_000,
} as const;
const MOST_CONNECTIONS = 10_000;

/**
 * Makes a server whose requests and responses are born with Express's prototypes. Express would put the prototypes under
 * every single one, which costs a tenth of a small request: the engine forgets what it knew about the object's shape.
 *
 * @param begin - sees every request before Express does
 */
export function createHttpServer(
  app: Express,
  begin: (request: Request, response: Response) => void,
): Server {
  class ApiRequest extends IncomingMessage {}
  class ApiResponse extends ServerResponse<ApiRequest> {}
  adopt(app, 'request', ApiRequest.prototype);
  adopt(app, 'response', ApiResponse.prototype);
  const server = createServer({
    ...SERVER_OPTIONS,
    IncomingMessage: ApiRequest,
    ServerResponse: ApiResponse,
    // With a listener for upgrades Node would hand over every request that offers one, and nobody would answer it.
    shouldUpgradeCallback: isLiveUpgrade,
  });
  server.on('request', (request: Request, response: Response) => {
    begin(request, response);
    app(request, response);
  });
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}

/** Lets the prototype inherit from Express's own and takes its place, so that Express has nothing left to change. */
function adopt(app: Express, part: 'request' | 'response', prototype: object): void {
  Object.setPrototypeOf(prototype, app[part]);
  Object.assign(app, { [part]: prototype });
}
