import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startRedis } from '../../embedded/redis.ts';
import { temporaryFolder } from './temporaryFolder.ts';

/** A Redis of the test's own: what is done to it would be felt by every other test. */
export interface OwnRedis {
  readonly server: EmbeddedServer;
  /** For what an operator does to it. */
  readonly operator: Redis;
}

/** It is stopped when the test has ended. What the test opens on it should be closed by an `onTestFinished` after this call. */
export async function startOwnRedis(): Promise<OwnRedis> {
  const server = await startRedis({ dir: await temporaryFolder() });
  const operator = new Redis(server.url, { maxRetriesPerRequest: null });
  operator.on('error', () => undefined);
  onTestFinished(async () => {
    operator.disconnect();
    await server.stop();
  });
  return { server, operator };
}

/** Ways in which a Redis that is there refuses to work, and how each ends. */
export const REFUSALS: readonly {
  readonly name: string;
  readonly begin: (operator: Redis) => Promise<unknown>;
  readonly end: (operator: Redis) => Promise<unknown>;
}[] = [
  {
    name: 'has no memory left',
    begin: (operator) => operator.config('SET', 'maxmemory', '1'),
    end: (operator) => operator.config('SET', 'maxmemory', '0'),
  },
  {
    name: 'became a replica',
    begin: (operator) => operator.replicaof('127.0.0.1', '1'),
    end: (operator) => operator.replicaof('NO', 'ONE'),
  },
  {
    name: 'misses its replicas',
    begin: (operator) => operator.config('SET', 'min-replicas-to-write', '1'),
    end: (operator) => operator.config('SET', 'min-replicas-to-write', '0'),
  },
  {
    name: 'took the rights away',
    begin: (operator) => operator.call('ACL', 'SETUSER', 'default', '-@write', '-@scripting'),
    end: (operator) => operator.call('ACL', 'SETUSER', 'default', '+@all'),
  },
];
