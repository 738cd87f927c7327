import { memoryUsage } from 'node:process';
import type { Collection } from '../store/collection.ts';
import { maximumDataBytes } from '../store/store.ts';
import type { Command } from './command.ts';
import { collectionName } from './fields.ts';

const version = '7.0.0';

export const buildInfo: Command = {
  fields: [],
  run: () => ({
    version,
    versionArray: [7, 0, 0, 0],
    gitVersion: 'embedded',
    modules: [],
    bits: 64,
    maxBsonObjectSize: 16 * 1024 * 1024,
    ok: 1,
  }),
};

export const ping: Command = { fields: [], run: () => ({ ok: 1 }) };

export const serverStatus: Command = {
  fields: ['repl', 'metrics', 'locks', 'opcounters'],
  run: ({ server }) => ({
    host: server.address,
    version,
    process: 'embedded-mongo',
    pid: BigInt(process.pid),
    uptime: (Date.now() - server.startedAt.getTime()) / 1000,
    localTime: new Date(),
    mem: { resident: Math.round(memoryUsage.rss() / 1024 / 1024) },
    embedded: { dataBytes: BigInt(server.store.dataBytes), maximumDataBytes: BigInt(maximumDataBytes) },
    ok: 1,
  }),
};

export const hostInfo: Command = {
  fields: [],
  run: ({ server }) => ({ system: { hostname: server.address, currentTime: new Date() }, ok: 1 }),
};

export const connectionStatus: Command = {
  fields: ['showPrivileges'],
  run: () => ({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] }, ok: 1 }),
};

function statisticsOf(collections: readonly Collection[]) {
  let objects = 0;
  let dataSize = 0;
  let indexes = 0;
  for (const collection of collections) {
    objects += collection.count;
    dataSize += collection.dataBytes;
    indexes += collection.indexes.length + 1;
  }
  return { objects, dataSize, indexes };
}

export const dbStats: Command = {
  fields: ['scale', 'freeStorage'],
  run({ store, database }) {
    const collections = [...(store.databases.get(database)?.values() ?? [])];
    const { objects, dataSize, indexes } = statisticsOf(collections);
    const avgObjSize = objects === 0 ? 0 : dataSize / objects;
    return {
      db: database,
      collections: collections.length,
      views: 0,
      objects,
      avgObjSize,
      dataSize,
      storageSize: dataSize,
      indexes,
      indexSize: 0,
      totalSize: dataSize,
      scaleFactor: 1,
      ok: 1,
    };
  },
};

export const collStats: Command = {
  fields: ['scale'],
  run(context) {
    const { store, database } = context;
    const name = collectionName(context);
    const collection = store.collection(database, name);
    const { objects, dataSize, indexes } = statisticsOf(collection === undefined ? [] : [collection]);
    return {
      ns: `${database}.${name}`,
      count: objects,
      size: dataSize,
      storageSize: dataSize,
      nindexes: indexes,
      totalSize: dataSize,
      scaleFactor: 1,
      ok: 1,
    };
  },
};
