/** The platform with one route of each family, as a process of its own, whose output a test can search. */
import { readEnvironment } from '../../config/env.ts';
import { answerJson } from '../../src/api/answer.ts';
import { AuditTrail } from '../../src/api/audit/auditTrail.ts';
import { listen } from '../../src/api/listen.ts';
import type { ErrorFamily, Route } from '../../src/api/route.ts';
import { createServer } from '../../src/api/server.ts';
import { callerId } from '../../src/domain/accounts/caller.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { connectRedis } from '../../src/runtime/redis.ts';

const ACCESS = {
  usage: 'usage:read',
  credits: 'credits:write',
  icons: 'icons',
  commerce: 'administration',
  photos: 'photos',
  login: 'account',
  problem: 'usage:write',
} as const satisfies Record<ErrorFamily, Route['access']>;

const FAMILIES = ['usage', 'credits', 'icons', 'commerce', 'photos', 'login', 'problem'] as const;

/** Answers with who called; a body is never read. */
function route(path: string, errors: ErrorFamily, access: Route['access']): Route {
  return {
    method: 'post',
    path,
    access,
    errors,
    handle(request, response) {
      const { caller } = request.context;
      answerJson(response, 200, { caller: caller ? callerId(caller) : null });
    },
  };
}

const environment = readEnvironment();
const logger = createLogger('web', environment.LOG_LEVEL);
const redis = connectRedis(environment.REDIS_URL, 'producer', logger);
const mongo = connectMongo(environment.MONGODB_URL, 'web', logger);
const queues = openQueues(redis, environment.REDIS_PREFIX);
const audit = new AuditTrail(mongo, logger);
const server = createServer({ environment, logger, redis, mongo, queues, audit, isDataKnown: () => true }, [
  ...FAMILIES.map((family) => route(`/${family}`, family, ACCESS[family])),
  { ...route('/own', 'problem', 'credits:read'), aboutUser: 'query' },
  { ...route('/own-contract', 'credits', 'workspace:read'), aboutUser: 'query' },
  route('/somebody', 'problem', 'workspace:write'),
  route('/open', 'problem', 'open'),
  route('/open-contract', 'credits', 'open'),
]);
const address = await listen(server, '127.0.0.1', 0);
logger.info({ address }, 'The API listens');
