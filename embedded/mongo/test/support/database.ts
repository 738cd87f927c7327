import { randomUUID } from 'node:crypto';
import { type Db, MongoClient, type MongoClientOptions } from 'mongodb';
import { afterAll, beforeAll } from 'vitest';
import { ServerProcess } from './serverProcess.ts';

export interface TestDatabase {
  readonly client: MongoClient;
  readonly database: Db;
  readonly url: string;
}

/**
 * A database of its own for a test file, dropped afterwards: on the server that MONGODB_URL names, or else on an
 * embedded one that is started for the file.
 */
export function useDatabase(options: MongoClientOptions = {}): TestDatabase {
  const { MONGODB_URL: given } = process.env;
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  let server: ServerProcess | null = null;
  let client: MongoClient | null = null;
  let url = given ?? '';
  beforeAll(async () => {
    if (given === undefined) {
      server = await ServerProcess.start();
      url = server.url;
    }
    client = await MongoClient.connect(url, options);
  });
  afterAll(async () => {
    await client?.db(name).dropDatabase();
    await client?.close();
    await server?.[Symbol.asyncDispose]();
  });
  const connected = (): MongoClient => {
    if (client === null) throw new Error('the client is not connected yet');
    return client;
  };
  return {
    get client() {
      return connected();
    },
    get database() {
      return connected().db(name);
    },
    get url() {
      return url;
    },
  };
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    if (typeof error === 'object' && error !== null)
      return Object.fromEntries([
        ...Object.entries(error),
        ['message', String(error)],
        ['labels', labelsOf(error)],
        ['code', 'code' in error ? error.code : undefined],
      ]);
  }
  throw new Error('the promise did not reject');
}

function labelsOf(error: object): readonly string[] {
  return 'errorLabels' in error && Array.isArray(error.errorLabels) ? error.errorLabels : [];
}
