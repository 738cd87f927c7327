import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Delivery } from '../../../domain/webhooks/delivery.ts';
import type { WebhookEndpoint } from '../../../domain/webhooks/endpoint.ts';
import { TEST_EVENT } from '../../../domain/webhooks/event.ts';
import { newEventId } from '../../../models/eventOutbox.ts';
import {
  addDeliveries,
  type DeliveryPosition,
  findDelivery,
  listDeliveries,
  redeliver,
} from '../../../models/webhookDeliveries.ts';
import { startDeliveries, startRedelivery } from '../../../producers/webhooks/startDeliveries.ts';
import { isOutage } from '../../../runtime/outage.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, QUEUE_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError, badRequestFrom, ConflictError, NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { DeliveryPage, DeliveryView, deliveryView } from './deliveryView.ts';
import type { WebhookRouteDependencies } from './dependencies.ts';
import { EndpointPath, requireEndpoint } from './requireEndpoint.ts';
import { requireSecretBox } from './requireSecretBox.ts';

const PATH = '/api/webhooks/:id';
const TAGS = ['Webhooks'];

const DeliveryPath = EndpointPath.extend({ delivery_id: z.string() });

const DeliveriesQuery = z.object({
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const ACCEPTED = {
  description: 'It is on its way; `Location` names it',
  content: { 'application/json': { schema: DeliveryView } },
};

/** What became of the events for one receiver. */
export function deliveryRoutes(dependencies: WebhookRouteDependencies): readonly Route[] {
  return [
    {
      method: 'get',
      path: `${PATH}/deliveries`,
      access: 'webhooks',
      errors: 'problem',
      documentation: {
        summary: 'Deliveries to a receiver with their attempts',
        description: 'The newest first, in pages. They are kept for 30 days after their end.',
        tags: TAGS,
        requestParams: { path: EndpointPath, query: DeliveriesQuery },
        responses: {
          200: { description: 'A page', content: { 'application/json': { schema: DeliveryPage } } },
          400: { description: 'A parameter that cannot be taken' },
          404: { description: 'There is no such webhook' },
        },
      },
      handle: (request, response) => soon(list(dependencies, request, response)),
    },
    {
      method: 'get',
      path: `${PATH}/deliveries/:delivery_id`,
      access: 'webhooks',
      errors: 'problem',
      documentation: {
        summary: 'One delivery with its attempts',
        tags: TAGS,
        requestParams: { path: DeliveryPath },
        responses: {
          200: { description: 'The delivery', content: { 'application/json': { schema: DeliveryView } } },
          404: { description: 'There is no such webhook or delivery' },
        },
      },
      handle: (request, response) => soon(show(dependencies, request, response)),
    },
    {
      method: 'post',
      path: `${PATH}/deliveries/:delivery_id/redeliver`,
      access: 'webhooks',
      errors: 'problem',
      audit: 'webhook.redeliver',
      documentation: {
        summary: 'Deliver an event once more, or now instead of later',
        description: 'With the same `webhook-id` and all attempts from the beginning.',
        tags: TAGS,
        requestParams: { path: DeliveryPath },
        responses: {
          202: ACCEPTED,
          404: { description: 'There is no such webhook or delivery' },
          409: { description: 'An attempt is running, or the webhook is disabled' },
        },
      },
      handle: (request, response) => soon(deliverAgain(dependencies, request, response)),
    },
    {
      method: 'post',
      path: `${PATH}/test`,
      access: 'webhooks',
      errors: 'problem',
      audit: 'webhook.test',
      documentation: {
        summary: 'Send a receiver a `webhook.test` event',
        tags: TAGS,
        requestParams: { path: EndpointPath },
        responses: {
          202: ACCEPTED,
          404: { description: 'There is no such webhook' },
          409: { description: 'The webhook is disabled' },
        },
      },
      handle: (request, response) => soon(sendTest(dependencies, request, response)),
    },
  ];
}

function soon(work: Promise<void>): Promise<void> {
  return withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', work);
}

async function list(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  requireSecretBox(dependencies);
  const parsed = DeliveriesQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { cursor, limit } = parsed.data;
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const endpoint = await requireEndpoint(dependencies, request);
  const found = await listDeliveries(dependencies.connection, endpoint.id, { after, limit: limit + 1 });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  answerJson(response, 200, {
    deliveries: page.map(deliveryView),
    next_cursor: found.length > limit && last ? encodeCursor(last) : null,
  });
}

async function show(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  requireSecretBox(dependencies);
  const endpoint = await requireEndpoint(dependencies, request);
  answerJson(response, 200, deliveryView(await requireDelivery(dependencies, endpoint, request)));
}

async function deliverAgain(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  requireSecretBox(dependencies);
  const endpoint = await requireEndpoint(dependencies, request);
  const { id } = await requireDelivery(dependencies, endpoint, request);
  requireEnabled(endpoint);
  const delivery = await redeliver(dependencies.connection, id);
  if (!delivery) throw new ConflictError('An attempt of this delivery is running');
  await wake(request, startRedelivery(dependencies.queue, id, [request.context.requestId]));
  answerAccepted(request, response, delivery);
}

async function sendTest(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  requireSecretBox(dependencies);
  const endpoint = await requireEndpoint(dependencies, request);
  requireEnabled(endpoint);
  const event = {
    id: newEventId(),
    type: TEST_EVENT,
    at: Date.now(),
    data: { endpoint_id: endpoint.id },
  } as const;
  const ids = await addDeliveries(dependencies.connection, event, [endpoint.id]);
  await wake(request, startDeliveries(dependencies.queue, ids, [request.context.requestId]));
  const delivery = await findDelivery(dependencies.connection, ids[0] ?? '');
  if (!delivery) throw new NotFoundError('The delivery is gone again');
  answerAccepted(request, response, delivery);
}

/** The delivery is committed; when Redis is away the sweep starts it. */
async function wake(request: Request, started: Promise<void>): Promise<void> {
  try {
    await withinDeadline(QUEUE_MILLISECONDS, 'Redis', started);
  } catch (error) {
    if (!isOutage(error)) throw error;
    request.context.logger.warn({ err: error }, 'The delivery was not queued; the sweep starts it');
  }
}

function answerAccepted(request: Request, response: Response, delivery: Delivery): void {
  request.context.logFields = { endpoint_id: delivery.endpoint_id, delivery_id: delivery.id };
  response.setHeader('Location', `/api/webhooks/${delivery.endpoint_id}/deliveries/${delivery.id}`);
  answerJson(response, 202, deliveryView(delivery));
}

async function requireDelivery(
  { connection }: WebhookRouteDependencies,
  endpoint: WebhookEndpoint,
  request: Request,
): Promise<Delivery> {
  const delivery = await findDelivery(connection, String(request.params.delivery_id));
  if (delivery?.endpoint_id !== endpoint.id) throw new NotFoundError('This webhook has no such delivery');
  return delivery;
}

function requireEnabled(endpoint: WebhookEndpoint): void {
  if (endpoint.status !== 'enabled') throw new ConflictError('The webhook is disabled; enable it first');
}

function encodeCursor(position: DeliveryPosition): string {
  return Buffer.from(`${position.created_at}:${position.id}`).toString('base64url');
}

function decodeCursor(cursor: string): DeliveryPosition {
  const match = /^(\d{1,15}):(dlv_[0-9a-f]{32})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (!match?.[2]) throw new BadRequestError('cursor is not one that was given out');
  return { created_at: Number(match[1]), id: match[2] };
}
