import { mongo } from 'mongoose';

const NOT_YET_INITIALIZED = 94;
const CHECK_EVERY_MS = 100;

/**
 * Makes a `mongod` the primary of a replica set of one, also when its data was last served on another port.
 *
 * @param isRunning asked before each try, to give up when the process is gone
 * @returns what became of it: a primary, or why not
 */
export async function becomePrimary(
  port: number,
  limitMs: number,
  isRunning: () => boolean,
): Promise<'primary' | 'the process ended' | 'it did not become primary in time'> {
  const host = `127.0.0.1:${port}`;
  const deadline = Date.now() + limitMs;
  while (Date.now() < deadline) {
    if (!isRunning()) return 'the process ended';
    if (await isPrimary(host)) return 'primary';
    await new Promise((resolve) => setTimeout(resolve, CHECK_EVERY_MS));
  }
  return 'it did not become primary in time';
}

/**
 * False as long as it cannot be reached or the set is still being made: each of these passes, or ends at the limit. A client whose first
 * connection failed does not recover, so each look has one of its own.
 */
async function isPrimary(host: string): Promise<boolean> {
  const client = new mongo.MongoClient(`mongodb://${host}/?directConnection=true`, {
    serverSelectionTimeoutMS: 1_000,
  });
  try {
    const hello = await client.db('admin').command({ hello: 1 });
    if (hello.isWritablePrimary === true && hello.me === host) return true;
    await configure(client, host);
    return false;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}

async function configure(client: mongo.MongoClient, host: string): Promise<void> {
  const admin = client.db('admin');
  const members = [{ _id: 0, host }];
  try {
    const { config } = await admin.command({ replSetGetConfig: 1 });
    if (config.members.length === 1 && config.members[0].host === host) return;
    await admin.command({
      replSetReconfig: { ...config, version: config.version + 1, members },
      force: true,
    });
  } catch (error) {
    if (!(error instanceof mongo.MongoServerError) || error.code !== NOT_YET_INITIALIZED) throw error;
    await admin.command({ replSetInitiate: { _id: 'rs0', members } });
  }
}
