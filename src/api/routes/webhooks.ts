import type { Route } from '../route.ts';
import { deliveryRoutes } from './webhooks/deliveries.ts';
import type { WebhookRouteDependencies } from './webhooks/dependencies.ts';
import { endpointRoutes } from './webhooks/endpoints.ts';

/** Webhooks of all domains: their receivers, and what became of the deliveries. */
export function webhookRoutes(dependencies: WebhookRouteDependencies): readonly Route[] {
  return [...endpointRoutes(dependencies), ...deliveryRoutes(dependencies)];
}
