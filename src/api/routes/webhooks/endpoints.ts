import type { Request, Response } from 'express';
import { MOST_ENDPOINTS, MOST_PREVIOUS_SECRETS, secretOwner } from '../../../domain/webhooks/endpoint.ts';
import { newSecret } from '../../../domain/webhooks/signature.ts';
import {
  addEndpoint,
  changeEndpoint,
  disableEndpoint,
  enableEndpoint,
  listEndpoints,
  newEndpointId,
  removeEndpoint,
  rotateSecret,
  TooManyEndpointsError,
  TooManyPreviousSecretsError,
} from '../../../models/webhookEndpoints.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { ConflictError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { WebhookRouteDependencies } from './dependencies.ts';
import { acceptUrl, EndpointChangeFields, NewEndpointFields, readEndpointFields } from './endpointFields.ts';
import { Endpoint, EndpointList, EndpointWithSecret, endpointView } from './endpointView.ts';
import { EndpointPath, noSuchEndpoint, requireEndpoint } from './requireEndpoint.ts';
import { requireSecretBox } from './requireSecretBox.ts';

const PATH = '/api/webhooks';
const NOT_FOUND = { description: 'There is no such webhook' };
const TAGS = ['Webhooks'];
const DISABLED_BY_HAND = 'Disabled by request';

/** Receivers of webhooks: registered, changed, and their secrets rotated. */
export function endpointRoutes(dependencies: WebhookRouteDependencies): readonly Route[] {
  return [
    {
      method: 'post',
      path: PATH,
      access: 'webhooks',
      errors: 'problem',
      audit: 'webhook.create',
      documentation: {
        summary: 'Register a receiver of webhooks',
        description: `Deliveries are signed as [Standard Webhooks](https://www.standardwebhooks.com/) says, with the secret that this answer shows once, and tried again for three days. There can be ${MOST_ENDPOINTS} receivers.`,
        tags: TAGS,
        requestBody: { content: { 'application/json': { schema: NewEndpointFields } } },
        responses: {
          201: {
            description: 'The webhook with its secret',
            content: { 'application/json': { schema: EndpointWithSecret } },
          },
          400: { description: 'A field that cannot be taken, such as an address that is not public' },
          409: { description: 'There are as many as there can be' },
          503: { description: 'Webhooks are not configured: ENCRYPTION_KEY is not set' },
        },
      },
      handle: (request, response) => register(dependencies, request, response),
    },
    {
      method: 'get',
      path: PATH,
      access: 'webhooks',
      errors: 'problem',
      documentation: {
        summary: 'All receivers of webhooks',
        tags: TAGS,
        responses: {
          200: { description: 'The eldest first', content: { 'application/json': { schema: EndpointList } } },
        },
      },
      handle: (_request, response) => soon(list(dependencies, response)),
    },
    {
      method: 'get',
      path: `${PATH}/:id`,
      access: 'webhooks',
      errors: 'problem',
      documentation: {
        summary: 'One receiver of webhooks',
        tags: TAGS,
        requestParams: { path: EndpointPath },
        responses: {
          200: { description: 'The webhook', content: { 'application/json': { schema: Endpoint } } },
          404: NOT_FOUND,
        },
      },
      handle: (request, response) => soon(show(dependencies, request, response)),
    },
    {
      method: 'patch',
      path: `${PATH}/:id`,
      access: 'webhooks',
      errors: 'problem',
      audit: 'webhook.change',
      documentation: {
        summary: 'Change, enable or disable a receiver',
        description:
          'A disabled one gets nothing, and what waits for it is cancelled when its next attempt is due. At another address its failures are forgotten, as they are when it is enabled.',
        tags: TAGS,
        requestParams: { path: EndpointPath },
        requestBody: { content: { 'application/json': { schema: EndpointChangeFields } } },
        responses: {
          200: { description: 'As it is now', content: { 'application/json': { schema: Endpoint } } },
          400: { description: 'A field that cannot be taken' },
          404: NOT_FOUND,
        },
      },
      handle: (request, response) => change(dependencies, request, response),
    },
    {
      method: 'delete',
      path: `${PATH}/:id`,
      access: 'webhooks',
      errors: 'problem',
      audit: 'webhook.remove',
      documentation: {
        summary: 'Remove a receiver',
        tags: TAGS,
        requestParams: { path: EndpointPath },
        responses: { 204: { description: 'It is gone' }, 404: NOT_FOUND },
      },
      handle: (request, response) => soon(remove(dependencies, request, response)),
    },
    {
      method: 'post',
      path: `${PATH}/:id/rotate-secret`,
      access: 'webhooks',
      errors: 'problem',
      audit: 'webhook.rotate-secret',
      documentation: {
        summary: 'Replace the secret of a receiver',
        description:
          'For 24 hours the old secret signs too: deliveries then carry a signature with each, and receivers can change over in between. Rotating again does not end it sooner.',
        tags: TAGS,
        requestParams: { path: EndpointPath },
        responses: {
          200: {
            description: 'The webhook with its new secret',
            content: { 'application/json': { schema: EndpointWithSecret } },
          },
          404: NOT_FOUND,
          409: {
            description: `Somebody else rotated it at the same moment, or it was rotated ${MOST_PREVIOUS_SECRETS} times within 24 hours`,
          },
        },
      },
      handle: (request, response) => soon(rotate(dependencies, request, response)),
    },
  ];
}

function soon(work: Promise<void>): Promise<void> {
  return withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', work);
}

async function register(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const box = requireSecretBox(dependencies);
  const fields = await readEndpointFields(request, NewEndpointFields);
  const url = await acceptUrl(dependencies, fields.url);
  const id = newEndpointId();
  const secret = newSecret();
  const sealed = box.seal(secret, secretOwner(id));
  const endpoint = { id, url, events: fields.events, description: fields.description, secret: sealed };
  await soon(
    addEndpoint(dependencies.connection, endpoint).then(
      (added) => {
        request.context.logFields = { endpoint_id: id };
        request.context.audit = { target: id };
        response.setHeader('Location', `${PATH}/${id}`);
        response.setHeader('Cache-Control', 'no-store');
        answerJson(response, 201, { ...endpointView(added), secret });
      },
      (error: unknown) => {
        throw error instanceof TooManyEndpointsError ? new ConflictError(error.message) : error;
      },
    ),
  );
}

async function list(dependencies: WebhookRouteDependencies, response: Response): Promise<void> {
  requireSecretBox(dependencies);
  const endpoints = await listEndpoints(dependencies.connection);
  answerJson(response, 200, { webhooks: endpoints.map(endpointView) });
}

async function show(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  requireSecretBox(dependencies);
  answerJson(response, 200, endpointView(await requireEndpoint(dependencies, request)));
}

async function change(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  requireSecretBox(dependencies);
  const { status, ...fields } = await readEndpointFields(request, EndpointChangeFields);
  const url = fields.url === undefined ? undefined : await acceptUrl(dependencies, fields.url);
  await soon(apply());

  async function apply(): Promise<void> {
    const { id } = await requireEndpoint(dependencies, request);
    const { connection } = dependencies;
    if (status === 'disabled') await disableEndpoint(connection, id, DISABLED_BY_HAND);
    if (status === 'enabled') await enableEndpoint(connection, id);
    const changed = await changeEndpoint(connection, id, { ...fields, url });
    if (!changed) throw noSuchEndpoint();
    request.context.logFields = { endpoint_id: id };
    answerJson(response, 200, endpointView(changed));
  }
}

async function remove(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  requireSecretBox(dependencies);
  const { id } = await requireEndpoint(dependencies, request);
  if (!(await removeEndpoint(dependencies.connection, id))) throw noSuchEndpoint();
  request.context.logFields = { endpoint_id: id };
  response.writeHead(204, { 'X-Request-Id': request.context.requestId }).end();
}

async function rotate(
  dependencies: WebhookRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const since = performance.now();
  const { connection } = dependencies;
  const box = requireSecretBox(dependencies);
  const endpoint = await requireEndpoint(dependencies, request);
  const secret = newSecret();
  const sealed = box.seal(secret, secretOwner(endpoint.id));
  const rotated = await rotateSecret(connection, endpoint.id, endpoint.secret, sealed, since).catch(
    (error: unknown) => {
      throw error instanceof TooManyPreviousSecretsError ? new ConflictError(error.message) : error;
    },
  );
  if (!rotated) throw new ConflictError('The secret was changed by somebody else at the same moment');
  request.context.logFields = { endpoint_id: endpoint.id };
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, { ...endpointView(rotated), secret });
}
