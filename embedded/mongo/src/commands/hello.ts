import { sessionTimeoutMinutes } from '../transactions/sessions.ts';
import { maximumMessageBytes } from '../wire/messages.ts';
import type { Command, CommandContext } from './command.ts';

const replicaSet = 'rs0';

/** The handshake and heartbeat: this server is the only member, and primary, of a replica set. */
export const hello: Command = {
  fields: [
    'helloOk',
    'client',
    'compression',
    'hostInfo',
    'saslSupportedMechs',
    'speculativeAuthenticate',
    'loadBalanced',
    'topologyVersion',
    'maxAwaitTimeMS',
    'backpressure',
  ],
  run: ({ server, connectionId, name }: CommandContext) => ({
    helloOk: true,
    ...(name === 'hello' ? { isWritablePrimary: true } : { ismaster: true }),
    secondary: false,
    setName: replicaSet,
    setVersion: 1,
    hosts: [server.address],
    primary: server.address,
    me: server.address,
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: maximumMessageBytes,
    maxWriteBatchSize: 100_000,
    localTime: new Date(),
    logicalSessionTimeoutMinutes: sessionTimeoutMinutes,
    connectionId,
    minWireVersion: 0,
    maxWireVersion: 21,
    readOnly: false,
    ok: 1,
  }),
};
