import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from 'zod-openapi';
import { DENIAL_STATUSES } from './access/refusals.ts';
import type { ErrorFamily, Route } from './route.ts';

const ProblemDetails = z
  .object({
    type: z.string().meta({ example: 'about:blank' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    request_id: z.string(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'ProblemDetails', description: 'RFC 9457 problem details' });

const UsageError = z
  .object({ status: z.literal('error'), message: z.string() })
  .meta({ id: 'UsageError', description: 'A refusal of the usage contract' });

const CreditsError = z
  .object({ success: z.literal(false), error: z.string() })
  .meta({ id: 'CreditsError', description: 'A refusal of the credits and workspace contract' });

const IconsError = z
  .object({ message: z.string(), error: z.string().optional() })
  .meta({ id: 'IconsError', description: 'A refusal of the icons contract' });

const DetailError = z
  .object({ detail: z.unknown() })
  .meta({ id: 'DetailError', description: 'A refusal of the commerce and photos contracts' });

const LoginError = z
  .object({ message: z.string(), detail: z.string() })
  .meta({ id: 'LoginError', description: 'A refusal of the login that several contracts share' });

const REFUSAL_CONTENT = {
  usage: { 'application/json': { schema: UsageError } },
  credits: { 'application/json': { schema: CreditsError } },
  icons: { 'application/json': { schema: IconsError } },
  commerce: { 'application/json': { schema: DetailError } },
  photos: { 'application/json': { schema: DetailError } },
  login: { 'application/json': { schema: LoginError } },
  problem: { 'application/problem+json': { schema: ProblemDetails } },
} as const satisfies Record<ErrorFamily, object>;

/** Makes the OpenAPI 3.1 document of the routes that are documented. */
export function createOpenApiDocument(
  routes: readonly Route[],
  version: string,
): ReturnType<typeof createDocument> {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const operation = operationOf(route);
    if (operation)
      paths[templateOf(route.path)] = { ...paths[templateOf(route.path)], [route.method]: operation };
  }
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Millrace',
      version,
      description: 'Takes work in over HTTP, puts it into queues, and lets workers do it.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: "An access token, an API key or the operator's key",
        },
        key: {
          type: 'apiKey',
          in: 'header',
          name: 'X-API-Key',
          description: "An API key or the operator's key",
        },
        keyInQuery: {
          type: 'apiKey',
          in: 'query',
          name: 'api_key',
          description: 'The same, for clients that cannot send a header',
        },
      },
    },
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject | undefined {
  if (!route.documentation) return undefined;
  const { responses, tags, ...documented } = route.documentation;
  return {
    ...documented,
    tags: [...tags],
    operationId: operationIdOf(route),
    security: securityOf(route),
    responses: {
      ...denialsOf(route),
      ...(route.limit === 'none' ? {} : { 429: tooMany(route) }),
      ...responses,
      default: { description: 'Any other refusal', content: REFUSAL_CONTENT[route.errors] },
    },
  };
}

/** Any of them is enough. The names in the lists are the scopes that it has to hold. */
function securityOf(route: Route): NonNullable<ZodOpenApiOperationObject['security']> {
  if (route.access === 'open') return [];
  if (route.access === 'account') return [{ bearer: [] }];
  const schemes = [{ bearer: [route.access] }, { key: [route.access] }];
  return route.errors === 'credits' ? [...schemes, { keyInQuery: [route.access] }] : schemes;
}

function denialsOf(route: Route): ZodOpenApiOperationObject['responses'] {
  if (route.access === 'open') return {};
  const content = REFUSAL_CONTENT[route.errors];
  const descriptions = {
    401: 'Without a credential that is good',
    403:
      route.access === 'account'
        ? 'The credential is not the access token of an account'
        : `The credential does not hold the scope ${route.access}`,
  };
  return Object.fromEntries(
    DENIAL_STATUSES[route.errors].map((status) => [status, { description: descriptions[status], content }]),
  );
}

function tooMany(route: Route): ZodOpenApiResponseObject {
  return {
    description: 'More than the limit allows; see Retry-After',
    content: REFUSAL_CONTENT[route.errors],
  };
}

/** `get /api/jobs/:queue/:id` becomes `get_api_jobs_queue_id`. */
function operationIdOf(route: Route): string {
  const words = route.path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return [route.method, ...words].join('_');
}

/** Express writes `:name`, OpenAPI `{name}`. */
function templateOf(path: string): string {
  return path.replaceAll(/:([A-Za-z0-9_]+)/g, '{$1}');
}
