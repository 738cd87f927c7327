import type { Request } from 'express';
import { z } from 'zod';
import { ENDPOINT_STATUSES, readEndpointUrl, SUBSCRIPTIONS } from '../../../domain/webhooks/endpoint.ts';
import { ServiceUnavailableError } from '../../../runtime/outage.ts';
import { HostNotAllowedError } from '../../../runtime/outboundHosts.ts';
import { readFields } from '../../body/readFields.ts';
import { withinDeadline } from '../../deadline.ts';
import { BadRequestError, badRequestFrom } from '../../errors.ts';
import type { WebhookRouteDependencies } from './dependencies.ts';

const BODY_LIMIT_BYTES = 16 * 1_024;
const LONGEST_DESCRIPTION = 255;
const LOOKUP_MILLISECONDS = 900;

const Url = z.string().meta({
  example: 'https://example.com/hooks/millrace',
  description:
    'http or https, without credentials; port 80, 443 or above 1023. Every address of its host has to be public, unless WEBHOOKS_ALLOW_PRIVATE is set.',
});
const Events = z
  .array(z.enum(SUBSCRIPTIONS))
  .min(1)
  .transform((events) => [...new Set(events)])
  .meta({ example: ['credits.low'], description: '`*` for all, also for those to come' });
const Description = z.string().max(LONGEST_DESCRIPTION);

export const NewEndpointFields = z
  .strictObject({ url: Url, events: Events, description: Description.default('') })
  .meta({ id: 'NewWebhook' });

export const EndpointChangeFields = z
  .strictObject({
    url: Url.optional(),
    events: Events.optional(),
    description: Description.optional(),
    status: z.enum(ENDPOINT_STATUSES).optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'has to change something')
  .meta({ id: 'WebhookChange' });

/**
 * Reads a body of this shape.
 *
 * @throws BadRequestError that lists what is wrong, and what `readFields` throws
 */
export async function readEndpointFields<Shape extends z.ZodType>(
  request: Request,
  shape: Shape,
): Promise<z.infer<Shape>> {
  const parsed = shape.safeParse(await readFields(request, BODY_LIMIT_BYTES));
  if (!parsed.success) throw badRequestFrom(parsed.error, 'body');
  return parsed.data;
}

/**
 * The address of a receiver, as it will be used. Its host is asked for now, so that a mistake is seen at once; it is asked for
 * again at each attempt.
 *
 * @throws BadRequestError
 */
export async function acceptUrl({ hosts, anyPort }: WebhookRouteDependencies, text: string): Promise<string> {
  const url = readEndpointUrl(text, anyPort);
  if (typeof url === 'object') throw wrongUrl(url.refused);
  try {
    const lookup = hosts.addressesOf(new URL(url).hostname);
    const addresses = await withinDeadline(LOOKUP_MILLISECONDS, 'The name server', lookup);
    if (addresses.length > 0) return url;
  } catch (error) {
    if (error instanceof HostNotAllowedError) throw wrongUrl('must not lead to a private address');
    if (error instanceof ServiceUnavailableError) throw wrongUrl('has a host that was not found in time');
  }
  throw wrongUrl('has a host that was not found');
}

function wrongUrl(message: string): BadRequestError {
  return new BadRequestError('The body is not valid', [{ field: 'url', message }]);
}
