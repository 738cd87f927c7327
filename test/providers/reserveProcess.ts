/** Makes one reservation on the server of CREDITS_REMOTE_URL: a process to be killed while it waits for the answer. */
import { readEnvironment } from '../../config/env.ts';
import { openRemoteCredits } from '../../src/providers/credits/open.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';

const environment = readEnvironment();
const logger = createLogger('worker', 'warn');
const connection = connectMongo(environment.MONGODB_URL, 'worker', logger);
await connection.asPromise();
const request = JSON.parse(process.argv[2] ?? '');
const outcome = await openRemoteCredits(environment, connection, logger)?.reserve(request);
process.stdout.write(`${JSON.stringify(outcome)}\n`);
await connection.close();
