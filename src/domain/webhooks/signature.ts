import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

const SECRET_BYTES = 32;

/** What is signed (Standard Webhooks 1.0). */
export interface SignedContent {
  /** `webhook-id`: the event's. */
  readonly id: string;
  /** Of the attempt, in milliseconds. */
  readonly at: number;
  readonly body: string;
}

/** The three headers of Standard Webhooks, with a signature for each of the secrets (`whsec_…`). */
export function signedHeaders(content: SignedContent, secrets: readonly string[]): Record<string, string> {
  const at = new Date(content.at);
  const signatures = secrets.map((secret) => new Webhook(secret).sign(content.id, at, content.body));
  return {
    'webhook-id': content.id,
    'webhook-timestamp': String(Math.floor(content.at / 1_000)),
    'webhook-signature': signatures.join(' '),
  };
}

/** A secret that nobody else has, in the form that libraries of Standard Webhooks take. */
export function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}
