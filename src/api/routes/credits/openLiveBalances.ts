import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Environment } from '../../../../config/env.ts';
import type { Caller } from '../../../domain/accounts/caller.ts';
import { findBalances } from '../../../models/ledgerReads.ts';
import { listenForBalances } from '../../../runtime/balanceFeed.ts';
import { connectRedis } from '../../../runtime/redis.ts';
import { LiveBalances } from './liveBalances.ts';

/** Streams of one process: each keeps a connection open for as long as its reader likes. */
const MOST_STREAMS = 1_000;
/** A person has a few pages open. */
const MOST_STREAMS_OF_ACCOUNT = 20;
/** An app shows the balances of its users, but leaves room for others. */
const MOST_STREAMS_OF_API_KEY = 500;
const REREAD_MILLISECONDS = 15_000;

export interface OpenLiveBalances {
  readonly liveBalances: LiveBalances;
  /** Ends every stream. Comes before the HTTP server is closed, which waits for its connections. */
  close(): void;
}

/** Opens the connection on which the process hears of changed balances, and what shows them. */
export function openLiveBalances(
  environment: Environment,
  connection: Connection,
  logger: Logger,
): OpenLiveBalances {
  const redis = connectRedis(environment.REDIS_URL, 'producer', logger);
  const liveBalances = new LiveBalances({
    read: (userIds) => findBalances(connection, userIds),
    mostWatchers: MOST_STREAMS,
    mostWatchersOf: mostStreamsOf,
    rereadMilliseconds: REREAD_MILLISECONDS,
    logger,
  });
  listenForBalances(
    redis,
    environment.REDIS_PREFIX,
    (userIds) => liveBalances.changed(userIds),
    () => liveBalances.refreshAll(),
  );
  return {
    liveBalances,
    close() {
      liveBalances.close();
      redis.disconnect();
    },
  };
}

/** The keys of the environment are the operator's own, who may take all. */
function mostStreamsOf({ kind }: Caller): number {
  if (kind === 'account') return MOST_STREAMS_OF_ACCOUNT;
  return kind === 'api-key' ? MOST_STREAMS_OF_API_KEY : MOST_STREAMS;
}
