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
  ];
}
