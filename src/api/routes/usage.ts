import { ServiceUnavailableError } from '../../runtime/outage.ts';
import type { Route } from '../route.ts';
import { batchRoute } from './usage/batch.ts';
import type { UsageRouteDependencies } from './usage/dependencies.ts';
import { recordRoutes } from './usage/records.ts';
import { seriesRoute } from './usage/series.ts';
import { statsRoute } from './usage/stats.ts';
import { updateRoute } from './usage/update.ts';

/** Usage tracking: the contract's two endpoints, and what stands beside them. */
export function usageRoutes(dependencies: UsageRouteDependencies): readonly Route[] {
  return [
    updateRoute(dependencies),
    statsRoute(dependencies),
    batchRoute(dependencies),
    ...recordRoutes(dependencies),
    seriesRoute(dependencies),
  ].map((route) => onceZoneIsKnown(route, dependencies));
}

/** In another zone than that of the stored totals a report would get another moment and a total another day. */
function onceZoneIsKnown(route: Route, { isZoneKnown }: UsageRouteDependencies): Route {
  return {
    ...route,
    handle(request, response) {
      if (!isZoneKnown())
        throw new ServiceUnavailableError(
          'The stored totals are not looked at yet; try again in a moment',
          2,
        );
      return route.handle(request, response);
    },
  };
}
