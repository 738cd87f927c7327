import { once } from 'node:events';
import type { Collection } from 'mongodb';
import type { Connection } from 'mongoose';
import { pino } from 'pino';
import { prepareCollections } from '../../src/models/collections.ts';
import { Ledger } from '../../src/models/ledger.ts';
import { importUsers } from '../../src/models/ledgerImport.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { type HttpProcess, startWeb } from '../stage/processes.ts';
import type { Stage } from '../stage/stage.ts';

/** More than any run spends. */
const CREDITS = 1_000_000_000;
const ACCOUNTS = 1_000;
const PAGE = 250;

/** Those who pay. */
export const USERS: readonly string[] = Array.from({ length: ACCOUNTS }, (_, index) => `user-${index}`);

/** A balance that nobody keeps books of. */
export interface BareAccount {
  readonly _id: string;
  readonly credits: number;
}

export interface LedgerStage {
  readonly stage: Stage;
  readonly connection: Connection;
  /** In the benchmark's own process. */
  readonly ledger: Ledger;
  readonly bare: Collection<BareAccount>;
  readonly web: HttpProcess;
  close(): Promise<void>;
}

/** The same users in the ledger and as bare balances, and a web process. */
export async function openLedgerStage(stage: Stage): Promise<LedgerStage> {
  const connection = connectMongo(stage.mongoUrl, 'worker', pino({ level: 'silent' }));
  await once(connection, 'connected');
  await prepareCollections(connection);
  for (let start = 0; start < USERS.length; start += PAGE) {
    const page = USERS.slice(start, start + PAGE);
    await importUsers(
      connection,
      page.map((user_id) => ({ user_id, username: user_id, email: '', credits: CREDITS })),
    );
  }
  const bare = stage.db.collection<BareAccount>('bench_bare_accounts');
  await bare.insertMany(USERS.map((user_id) => ({ _id: user_id, credits: CREDITS })));
  const web = await startWeb(stage);
  return {
    stage,
    connection,
    ledger: new Ledger(connection),
    bare,
    web,
    async close() {
      await web.stop();
      await connection.close();
    },
  };
}
