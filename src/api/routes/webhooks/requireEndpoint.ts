import type { Request } from 'express';
import { z } from 'zod';
import type { WebhookEndpoint } from '../../../domain/webhooks/endpoint.ts';
import { findEndpoint } from '../../../models/webhookEndpoints.ts';
import { NotFoundError } from '../../errors.ts';
import type { WebhookRouteDependencies } from './dependencies.ts';

export const EndpointPath = z.object({ id: z.string() });

export function noSuchEndpoint(): NotFoundError {
  return new NotFoundError('There is no such webhook');
}

/** @throws NotFoundError when the path names none */
export async function requireEndpoint(
  { connection }: WebhookRouteDependencies,
  request: Request,
): Promise<WebhookEndpoint> {
  const endpoint = await findEndpoint(connection, String(request.params.id));
  if (!endpoint) throw noSuchEndpoint();
  return endpoint;
}
