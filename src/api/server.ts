import type { Server } from 'node:http';
import express from 'express';
import { countUncertainCalls } from '../models/iconCalls.ts';
import { LaneRests } from '../platforms/images/laneRests.ts';
import { HttpMetrics } from '../runtime/httpMetrics.ts';
import { createRegistry, observeIconCalls, observeIconRests, observeQueues } from '../runtime/metrics.ts';
import { createAccessCheck } from './access/accessCheck.ts';
import { mountBoard } from './board.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from './deadline.ts';
import type { ApiDependencies } from './dependencies.ts';
import { createHttpServer } from './httpServer.ts';
import { RequestLimits } from './limits/requestLimits.ts';
import { mountRefusals, mountRoutes } from './mountRoutes.ts';
import { observeRequests } from './observeRequests.ts';
import type { Route } from './route.ts';
import { apiKeyRoutes } from './routes/apiKeys.ts';
import { auditRoutes } from './routes/audit.ts';
import { docsRoutes } from './routes/docs.ts';
import { healthRoutes } from './routes/health.ts';
import { homeRoutes } from './routes/home.ts';
import { jobRoutes } from './routes/jobs.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { SystemStatus } from './systemStatus.ts';

/**
 * Makes the HTTP server with everything mounted; it does not listen yet.
 *
 * @param domainRoutes - the endpoints of the domains, matched before the platform's own
 */
export function createServer(dependencies: ApiDependencies, domainRoutes: readonly Route[]): Server {
  const { environment, logger, redis, mongo, queues, audit } = dependencies;
  const status = new SystemStatus(dependencies);
  const registry = createRegistry();
  observeQueues(registry, () => status.queues());
  observeIconCalls(registry, () =>
    withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', countUncertainCalls(mongo)),
  );
  const rests = new LaneRests(redis, environment.REDIS_PREFIX);
  observeIconRests(registry, () => withinDeadline(ANSWER_MILLISECONDS, 'Redis', rests.read()));

  const platformRoutes: readonly Route[] = [
    ...healthRoutes(status),
    ...jobRoutes(queues),
    ...metricsRoutes(registry),
    ...apiKeyRoutes(mongo),
    ...auditRoutes(mongo),
    ...docsRoutes(() => routes),
    ...homeRoutes(status, () => routes),
  ];
  const routes: readonly Route[] = [...domainRoutes, ...platformRoutes];

  const app = express()
    .disable('etag')
    .disable('x-powered-by')
    .set('query parser', 'simple')
    .set('trust proxy', environment.TRUSTED_PROXIES);
  mountRoutes(app, routes, {
    checkAccess: createAccessCheck(dependencies),
    limits: new RequestLimits(redis, environment),
    audit,
    origins: environment.CORS_ORIGINS,
  });
  mountBoard(app, dependencies);
  mountRefusals(app, routes, environment.CORS_ORIGINS);

  const observe = observeRequests(logger, new HttpMetrics(registry), environment.TRUSTED_PROXIES);
  return createHttpServer(app, observe);
}
