import { ALL_EVENTS, EVENT_TYPES } from './event.ts';

export const ENDPOINT_STATUSES = ['enabled', 'disabled'] as const;
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number];

/** Where an endpoint's status may go, and by what. */
export const ENDPOINT_TRANSITIONS = {
  disable: { from: 'enabled', to: 'disabled' },
  enable: { from: 'disabled', to: 'enabled' },
} as const satisfies Record<string, { readonly from: EndpointStatus; readonly to: EndpointStatus }>;

/** What an endpoint can subscribe to. */
export const SUBSCRIPTIONS = [...EVENT_TYPES, ALL_EVENTS] as const;
export type Subscription = (typeof SUBSCRIPTIONS)[number];

/** A secret from before a rotation, sealed, and until when it signs too. */
export interface PreviousSecret {
  readonly sealed: string;
  readonly until: number;
}

/** A receiver that somebody registered. */
export interface WebhookEndpoint {
  readonly id: string;
  readonly url: string;
  readonly events: readonly Subscription[];
  readonly description: string;
  readonly status: EndpointStatus;
  readonly disabled_reason: string | undefined;
  /** First failure since the last success, in milliseconds. */
  readonly failing_since: number | undefined;
  readonly created_at: number;
  readonly updated_at: number;
  /** Sealed. */
  readonly secret: string;
  /** The newest first. */
  readonly previous_secrets: readonly PreviousSecret[];
}

/** Endpoints of one installation. Each event costs a delivery for each of them. */
export const MOST_ENDPOINTS = 100;
/** After a rotation the old secret signs too, so that receivers can change over without losing a delivery. */
export const ROTATION_MILLISECONDS = 24 * 3_600_000;
/** Secrets from before rotations that sign at a time: each is one more signature of every delivery. */
export const MOST_PREVIOUS_SECRETS = 5;
/** An endpoint that took nothing for so long gets nothing any more. A delivery's last attempt comes a little later. */
export const FAILING_LIMIT_MILLISECONDS = 3 * 24 * 3_600_000;

const LONGEST_URL = 2_048;
const FIRST_FREE_PORT = 1_024;
const WEB_PORTS: ReadonlySet<number> = new Set([80, 443]);

/** For whom the secrets of an endpoint are sealed: they open for no other record. */
export function secretOwner(endpointId: string): string {
  return `webhook-endpoint:${endpointId}`;
}

/** Those that sign beside the current one. */
export function signingPreviousSecrets(
  { previous_secrets: all }: Pick<WebhookEndpoint, 'previous_secrets'>,
  now: number,
): readonly PreviousSecret[] {
  return all.filter(({ until }) => until > now);
}

/** Why the text is no address that webhooks are sent to. */
export interface RefusedUrl {
  readonly refused: string;
}

/**
 * Reads the address of a receiver. Whether its host may be reached is asked elsewhere.
 *
 * @param anyPort - also ports of other services of the system, such as 25
 * @returns the address as it will be used
 */
export function readEndpointUrl(text: string, anyPort: boolean): string | RefusedUrl {
  const url = text.length <= LONGEST_URL ? URL.parse(text) : null;
  if (!url) return { refused: `has to be an address of at most ${LONGEST_URL} characters` };
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return { refused: 'has to be https:// or http://' };
  if (url.username !== '' || url.password !== '')
    return { refused: 'must not hold a user name or a password' };
  if (url.hash !== '') return { refused: 'must not have a fragment' };
  const port = url.port === '' ? undefined : Number(url.port);
  if (!anyPort && port !== undefined && port < FIRST_FREE_PORT && !WEB_PORTS.has(port)) {
    return { refused: 'has to use port 80, 443 or one above 1023' };
  }
  return url.href;
}
