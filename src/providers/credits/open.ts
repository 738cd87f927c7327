import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Environment } from '../../../config/env.ts';
import type { CreditsProvider } from '../../domain/credits/provider.ts';
import type { Ledger } from '../../models/ledger.ts';
import { CreditsServer } from '../../platforms/creditsServer.ts';
import { LocalCredits } from './local.ts';
import { RemoteCredits } from './remote.ts';

/** The credits that other domains charge, as CREDITS_PROVIDER says. */
export function openCreditsProvider(
  environment: Environment,
  connection: Connection,
  ledger: Ledger,
  logger: Logger,
): CreditsProvider {
  return openRemoteCredits(environment, connection, logger) ?? new LocalCredits(ledger);
}

/** @returns nothing while the credits are kept here */
export function openRemoteCredits(
  environment: Environment,
  connection: Connection,
  logger: Logger,
): RemoteCredits | undefined {
  const { CREDITS_PROVIDER: provider, CREDITS_REMOTE_URL: url, CREDITS_REMOTE_KEY: key } = environment;
  if (provider === 'local') return undefined;
  // `readEnvironment` refuses it; to charge the own ledger instead would be worse than to stop.
  if (url === undefined || key === undefined) throw new Error('Remote credits without an address and a key');
  return new RemoteCredits(connection, new CreditsServer(url, key), logger);
}
