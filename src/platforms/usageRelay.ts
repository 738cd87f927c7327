import { z } from 'zod';
import type { ContractFields } from '../domain/usage/contractFields.ts';
import { describeFailure, readBounded } from './boundedAnswer.ts';
import { readRetryAfter } from './retryAfter.ts';

/** What became of a report at the other server. */
export type RelayOutcome =
  | { readonly kind: 'accepted' }
  /** For good: the same report again would be refused again. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** For now, or nobody knows: the same report may be posted again. */
  | { readonly kind: 'unavailable'; readonly reason: string; readonly retryAfterMilliseconds?: number };

const UPDATE_PATH = '/api/tools/update';
/** Answers that no repeat of the same report changes. */
const PERMANENT_STATUSES: ReadonlySet<number> = new Set([400, 404, 422]);
const LONGEST_MESSAGE = 300;
const LONGEST_RETRY_AFTER_MILLISECONDS = 3_600_000;

/** A request ends within this time, however slowly the other side answers. */
export const RELAY_REQUEST_TIMEOUT_MILLISECONDS = 10_000;

const answerSchema = z.object({ status: z.string(), message: z.string().optional().catch(undefined) });

/** Another server that speaks the usage contract. */
export class UsageRelay {
  readonly #url: string;
  readonly #timeoutMilliseconds: number;

  /**
   * @param baseUrl - the contract's path is appended unless it is there already
   * @param timeoutMilliseconds - @defaultValue `RELAY_REQUEST_TIMEOUT_MILLISECONDS`
   */
  constructor(baseUrl: string, timeoutMilliseconds: number = RELAY_REQUEST_TIMEOUT_MILLISECONDS) {
    this.#url = updateUrl(baseUrl);
    this.#timeoutMilliseconds = timeoutMilliseconds;
  }

  /**
   * Posts one report.
   *
   * @param idempotencyKey - the same for every repeat of the report; a server that honours it counts the report once
   * @throws the signal's reason when the signal aborts; nothing else
   */
  async post(fields: ContractFields, idempotencyKey: string, signal: AbortSignal): Promise<RelayOutcome> {
    const timeout = AbortSignal.timeout(this.#timeoutMilliseconds);
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          accept: 'application/json',
          'idempotency-key': idempotencyKey,
        },
        body: new URLSearchParams({ ...fields }).toString(),
        // A redirected post may be repeated as a get, or reach a server that nobody configured.
        redirect: 'manual',
        signal: AbortSignal.any([signal, timeout]),
      });
      return readOutcome(response, await readBounded(response));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (timeout.aborted) return unavailable(`no answer within ${this.#timeoutMilliseconds / 1_000} s`);
      return unavailable(`no answer: ${describeFailure(error)}`);
    }
  }
}

/** The contract's address below a base URL. */
export function updateUrl(baseUrl: string): string {
  const url = new URL(baseUrl);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(UPDATE_PATH) ? path : `${path}${UPDATE_PATH}`;
  return url.toString();
}

function readOutcome(response: Response, text: string | undefined): RelayOutcome {
  const answer = text === undefined ? undefined : readAnswer(text);
  const reason = `${response.status}${answer?.message ? ` ${answer.message.slice(0, LONGEST_MESSAGE)}` : ''}`;
  if (response.status === 200) {
    if (answer?.status === 'success') return { kind: 'accepted' };
    return unavailable(answer ? `200 with status "${answer.status.slice(0, 40)}"` : '200 with an odd body');
  }
  // Without the contract's body it is somebody else's answer: of a proxy, or at a wrong address.
  const isOfTheContract = answer?.status === 'error';
  if (isOfTheContract && PERMANENT_STATUSES.has(response.status)) return { kind: 'refused', reason };
  return unavailable(
    reason,
    readRetryAfter(response.headers.get('retry-after'), LONGEST_RETRY_AFTER_MILLISECONDS),
  );
}

function unavailable(reason: string, retryAfterMilliseconds?: number): RelayOutcome {
  return {
    kind: 'unavailable',
    reason,
    ...(retryAfterMilliseconds === undefined ? {} : { retryAfterMilliseconds }),
  };
}

function readAnswer(text: string): z.infer<typeof answerSchema> | undefined {
  try {
    const parsed = answerSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
