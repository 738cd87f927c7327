import { z } from 'zod';
import { describeFailure, readBounded } from './boundedAnswer.ts';
import { faultBeforeSending } from './faultBeforeSending.ts';

/** What became of a change at the other server. */
export type CreditsCallOutcome =
  | { readonly kind: 'done' }
  /** Certainly without effect, and for good: the same call again would be refused again. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Certainly without effect, for now. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** It may have had its effect. */
  | { readonly kind: 'unknown'; readonly reason: string };

export interface Deduction {
  readonly user_id: string;
  readonly amount: number;
  readonly app_name: string;
  readonly description: string;
}

export interface Addition {
  readonly user_id: string;
  readonly amount: number;
  readonly transaction_type: string;
  readonly description: string;
}

const PREFIX = '/api/unified';
const LONGEST_MESSAGE = 300;

/** A request ends within this time, however slowly the other side answers. */
export const CREDITS_REQUEST_TIMEOUT_MILLISECONDS = 5_000;

const answerSchema = z.union([
  z.object({ success: z.literal(true) }),
  z.object({ success: z.literal(false), error: z.string() }),
]);
type Answer = z.infer<typeof answerSchema>;

/** Refusals at the door, before anything was looked at: a key that is wrong or may not, too many requests. */
const DOOR_STATUSES: ReadonlySet<number> = new Set([401, 403, 429]);
/** The contract's only refusal of a well-formed deduction: too few credits, or nobody of that name. */
const DEDUCTION_REFUSALS: ReadonlySet<number> = new Set([400]);
/** An addition is refused for a user that nobody knows. */
const ADDITION_REFUSALS: ReadonlySet<number> = new Set([400, 404]);

/** Another server that speaks the credits contract. */
export class CreditsServer {
  readonly #base: string;
  readonly #key: string;
  readonly #timeoutMilliseconds: number;

  /**
   * @param baseUrl - the contract's path is appended unless it is there already
   * @param timeoutMilliseconds - of one request, @defaultValue `CREDITS_REQUEST_TIMEOUT_MILLISECONDS`
   */
  constructor(
    baseUrl: string,
    key: string,
    timeoutMilliseconds: number = CREDITS_REQUEST_TIMEOUT_MILLISECONDS,
  ) {
    this.#base = creditsBase(baseUrl);
    this.#key = key;
    this.#timeoutMilliseconds = timeoutMilliseconds;
  }

  /**
   * Asks something that changes nothing. Done before a change, it keeps an outage or a wrong key from leaving a change
   * of which nobody knows whether it was made.
   *
   * @returns why the server does not serve now, or nothing when it does
   */
  async findObstacle(userId: string): Promise<string | undefined> {
    const exchange = await this.#exchange(`/user-info?${new URLSearchParams({ user_id: userId })}`, {});
    if ('failure' in exchange) return exchange.failure;
    return exchange.status === 200 && exchange.answer?.success ? undefined : reasonOf(exchange);
  }

  /** @param idempotencyKey - honoured by some servers; the contract's first one charges a repeat again */
  deduct(deduction: Deduction, idempotencyKey: string): Promise<CreditsCallOutcome> {
    return this.#change('/deduct-credits', deduction, idempotencyKey, DEDUCTION_REFUSALS);
  }

  /** @param idempotencyKey - as for `deduct` */
  add(addition: Addition, idempotencyKey: string): Promise<CreditsCallOutcome> {
    return this.#change('/add-credits', addition, idempotencyKey, ADDITION_REFUSALS);
  }

  async #change(
    path: string,
    body: Deduction | Addition,
    idempotencyKey: string,
    refusals: ReadonlySet<number>,
  ): Promise<CreditsCallOutcome> {
    const exchange = await this.#exchange(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: JSON.stringify(body),
    });
    if ('failure' in exchange) {
      return { kind: exchange.wasSent ? 'unknown' : 'unavailable', reason: exchange.failure };
    }
    const { status, answer } = exchange;
    if (status === 200 && answer?.success) return { kind: 'done' };
    const reason = reasonOf(exchange);
    // Without the contract's body it is somebody else's answer. One of 500 and up comes from a server that did not get to
    // the end and cannot say how far it got.
    if (answer?.success === false && refusals.has(status)) return { kind: 'refused', reason };
    if (answer?.success === false && DOOR_STATUSES.has(status)) return { kind: 'unavailable', reason };
    return { kind: 'unknown', reason };
  }

  async #exchange(path: string, init: RequestInit): Promise<Exchange> {
    const timeout = AbortSignal.timeout(this.#timeoutMilliseconds);
    try {
      const response = await fetch(`${this.#base}${path}`, {
        ...init,
        headers: { accept: 'application/json', 'x-api-key': this.#key, ...init.headers },
        // A redirected post may be repeated as a get, or take the key to a server that nobody configured.
        redirect: 'manual',
        signal: timeout,
      });
      const text = await readBounded(response);
      return { status: response.status, answer: text === undefined ? undefined : readAnswer(text) };
    } catch (error) {
      if (timeout.aborted) {
        return { failure: `no answer within ${this.#timeoutMilliseconds / 1_000} s`, wasSent: true };
      }
      return { failure: `no answer: ${describeFailure(error)}`, wasSent: !faultBeforeSending(error) };
    }
  }
}

type Exchange =
  | { readonly status: number; readonly answer: Answer | undefined }
  | { readonly failure: string; readonly wasSent: boolean };

/** The contract's address below a base URL. */
export function creditsBase(baseUrl: string): string {
  const url = new URL(baseUrl);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(PREFIX) ? path : `${path}${PREFIX}`;
  url.search = '';
  url.hash = '';
  return url.toString();
}

function reasonOf({ status, answer }: { status: number; answer: Answer | undefined }): string {
  const text = answer?.success === false ? answer.error : 'without the contract’s body';
  const said = `${status} ${text.slice(0, LONGEST_MESSAGE)}`;
  return status === 401 || status === 403 ? `it refuses the key of CREDITS_REMOTE_KEY (${said})` : said;
}

function readAnswer(text: string): Answer | undefined {
  try {
    const parsed = answerSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
