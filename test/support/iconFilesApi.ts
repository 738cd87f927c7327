import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { batchZipRoute } from '../../src/api/routes/icons/batchZip.ts';
import { cacheClearRoute } from '../../src/api/routes/icons/cacheClear.ts';
import { cachedRoute } from '../../src/api/routes/icons/cached.ts';
import { imageRoutes } from '../../src/api/routes/icons/images.ts';
import { renditionRoutes } from '../../src/api/routes/icons/renditions.ts';
import { prepareIcons } from '../../src/models/iconDocuments.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';
import type { ObjectStorage } from '../../src/platforms/storage/objectStorage.ts';
import { type ApiServer, startApiServer } from '../api/apiServer.ts';
import { createTestSystem, type TestSystem, uniqueName } from './testSystem.ts';

/** The routes of stored icons on a free port of this process, with a storage of their own. */
export interface IconFilesApi {
  readonly system: TestSystem;
  readonly api: ApiServer;
  readonly root: string;
  readonly storage: DiskStorage;
  /** The same routes on another storage or with more variables, until the running test is over. */
  serve(storage: ObjectStorage, more?: Readonly<Record<string, string>>): Promise<ApiServer>;
  remove(): Promise<void>;
}

export async function createIconFilesApi(label: string): Promise<IconFilesApi> {
  const system = await createTestSystem(label);
  await prepareIcons(system.connection);
  const root = await mkdtemp(join(tmpdir(), 'millrace-icons-'));
  const storage = new DiskStorage(root);
  const start = (from: ObjectStorage, more: Readonly<Record<string, string>> = {}) => {
    const environment = readEnvironment({ ...system.environment, ...more });
    const dependencies = { connection: system.connection, environment, storage: from };
    const routes = [
      ...imageRoutes(dependencies),
      ...renditionRoutes(dependencies),
      batchZipRoute(dependencies),
      cachedRoute(dependencies),
      cacheClearRoute(dependencies),
    ];
    return startApiServer({ routes });
  };
  const api = await start(storage);
  return {
    system,
    api,
    root,
    storage,
    async serve(from, more) {
      const server = await start(from, more);
      onTestFinished(() => server.close());
      return server;
    },
    async remove() {
      await api.close();
      await system.remove();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Stores bytes as an icon that nobody knows of. */
export async function storeBytes(
  storage: ObjectStorage,
  bytes: Buffer = randomBytes(1_000),
): Promise<string> {
  const path = `tools/${uniqueName('tools')}.png`;
  await storage.put(path, bytes, 'image/png');
  return path;
}
