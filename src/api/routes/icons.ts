import { isFromForeignPage } from '../configuredOrigins.ts';
import { ForbiddenError } from '../errors.ts';
import type { Route } from '../route.ts';
import { batchRoute } from './icons/batch.ts';
import { batchesRoute } from './icons/batches.ts';
import { batchStreamRoute } from './icons/batchStream.ts';
import { batchZipRoute } from './icons/batchZip.ts';
import { cacheClearRoute } from './icons/cacheClear.ts';
import { cachedRoute } from './icons/cached.ts';
import { cancelRoute } from './icons/cancel.ts';
import type { IconsRouteDependencies } from './icons/dependencies.ts';
import { generateRoute } from './icons/generate.ts';
import { healthRoute } from './icons/health.ts';
import { imageStatusRoute } from './icons/imageStatus.ts';
import { imageRoutes } from './icons/images.ts';
import { renditionRoutes } from './icons/renditions.ts';
import { resultRoute } from './icons/result.ts';
import { retryRoute } from './icons/retry.ts';
import { saveRoute } from './icons/save.ts';
import { statsRoute } from './icons/stats.ts';
import { statusRoute } from './icons/status.ts';
import { suggestionsRoute } from './icons/suggestions.ts';
import { unknownAddressRoutes } from './icons/unknownAddress.ts';

/** Icons: the contract's endpoints, and what stands beside them. */
export function iconsRoutes(dependencies: IconsRouteDependencies): readonly Route[] {
  const routes: readonly Route[] = [
    generateRoute(dependencies),
    imageStatusRoute(dependencies),
    batchRoute(dependencies),
    batchStreamRoute(dependencies),
    statusRoute(dependencies),
    resultRoute(dependencies),
    cancelRoute(dependencies),
    retryRoute(dependencies),
    batchZipRoute(dependencies),
    batchesRoute(dependencies),
    cachedRoute(dependencies),
    cacheClearRoute(dependencies),
    saveRoute(dependencies),
    statsRoute(dependencies),
    suggestionsRoute(dependencies),
    ...imageRoutes(dependencies),
    ...renditionRoutes(dependencies),
    healthRoute(dependencies),
    ...unknownAddressRoutes(),
  ];
  return dependencies.environment.ICONS_OPEN_MODE
    ? withoutForeignPages(routes, dependencies.environment.CORS_ORIGINS)
    : routes;
}

/** Without a credential a browser sends some writes of any page, without a preflight; they would spend the budget. */
function withoutForeignPages(routes: readonly Route[], origins: readonly string[]): readonly Route[] {
  return routes.map((route) => {
    if (route.method === 'get') return route;
    return {
      ...route,
      handle(request, response) {
        if (isFromForeignPage(request, origins)) {
          throw new ForbiddenError('Only pages of this server and of CORS_ORIGINS may do this');
        }
        return route.handle(request, response);
      },
    };
  });
}
