import OpenAI, { APIConnectionError, APIError, APIUserAbortError } from 'openai';
import type { ImageSettings } from '../../domain/icons/icon.ts';
import { AnswerTooLongError, boundedFetch } from '../boundedFetch.ts';
import { type FaultBeforeSending, faultBeforeSending } from '../faultBeforeSending.ts';
import { readRetryAfter } from '../retryAfter.ts';
import type { ImageOutcome, ImageProvider, ImageRequest } from './imageProvider.ts';
import { readLimitHints } from './openaiLimits.ts';
import { type ImageQuality, outputTokensAtMost, type SupportedModel } from './openaiModels.ts';

export interface OpenAiImagesOptions {
  readonly apiKey: string;
  /** @defaultValue OpenAI's own */
  readonly baseUrl?: string | undefined;
  readonly model: SupportedModel;
  readonly size: string;
  readonly quality: ImageQuality | 'auto';
  /** A call ends within this time, the reading of its answer included. */
  readonly timeoutMilliseconds: number;
}

const OPENAI_URL = 'https://api.openai.com/v1';
/** 5 MB of image as base64 is 6.7 MB of text; the rest of the answer is small. */
const LARGEST_ANSWER_BYTES = 8 * 1_024 * 1_024;
const LONGEST_CODE = 60;
const LONGEST_MESSAGE = 300;
const LONGEST_RETRY_AFTER_MILLISECONDS = 3_600_000;
/** Else one that refuses everything and says `0` would be asked without an end. */
const SHORTEST_RETRY_AFTER_MILLISECONDS = 1_000;
/** What the API adds to each prompt (6 as measured by others), with room. */
const PROMPT_OVERHEAD_TOKENS = 16;

/**
 * What only an operator can change: no money, no access, a model that is gone. The rest of the 4xx is about the one
 * request.
 */
const OPERATOR_CODES: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'account_deactivated',
  'invalid_api_key',
  'model_not_found',
]);
/** A gateway gave up waiting (524 is Cloudflare's): behind it, the image may have been made. */
const GATEWAY_TIMEOUTS: ReadonlySet<number> = new Set([504, 524]);
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 409, 425]);

/**
 * OpenAI's images API. Never tries again by itself.
 *
 * A wrong key, missing access or a wrong address (3xx, 401, 403, 404, a certificate that nobody trusts) ends as `quota-exhausted`: no image would go better
 * than the last, so the queue stops for an operator instead of failing one image after the other. An answer of status 200
 * that cannot be read ends as `unknown`: it was paid.
 */
export class OpenAiImages implements ImageProvider {
  readonly settings: ImageSettings;
  readonly paid = true;
  readonly #client: OpenAI;
  readonly #options: OpenAiImagesOptions;
  readonly #outputTokens: number;

  constructor(options: OpenAiImagesOptions) {
    const { apiKey, baseUrl, model, size, quality, timeoutMilliseconds } = options;
    this.settings = { model, size, quality, format: 'png' };
    this.#options = options;
    this.#outputTokens = outputTokensAtMost(model, size, quality);
    this.#client = new OpenAI({
      apiKey,
      baseURL: baseUrl ?? OPENAI_URL,
      // Given, so that the package does not look for them in the environment.
      adminAPIKey: null,
      organization: null,
      project: null,
      webhookSecret: null,
      defaultHeaders: { authorization: `Bearer ${apiKey}` },
      logLevel: 'off',
      maxRetries: 0,
      // The signal of each call ends it. The package's own timer says the same in other words, so it comes later.
      timeout: 2 * timeoutMilliseconds,
      fetch: boundedFetch(LARGEST_ANSWER_BYTES),
    });
  }

  /**
   * The image's tokens and the prompt's, of which a byte is at most one; never less than the contract's estimate of two
   * for each character.
   */
  tokensAtMost(prompt: string): number {
    const exact = this.#outputTokens + Buffer.byteLength(prompt) + PROMPT_OVERHEAD_TOKENS;
    return Math.max(exact, 2 * prompt.length);
  }

  async generate(request: ImageRequest, signal: AbortSignal): Promise<ImageOutcome> {
    if (signal.aborted) return { kind: 'failed', message: 'Stopped before the call' };
    const timeout = AbortSignal.timeout(this.#options.timeoutMilliseconds);
    try {
      const { data, response } = await this.#client.images
        .generate(
          {
            model: this.#options.model,
            prompt: request.prompt,
            n: 1,
            size: this.#options.size,
            quality: this.#options.quality,
            output_format: 'png',
          },
          { signal: AbortSignal.any([signal, timeout]) },
        )
        .withResponse();
      return readImage(data, response.headers);
    } catch (error) {
      return this.#outcomeOf(error, signal, timeout);
    }
  }

  #outcomeOf(error: unknown, signal: AbortSignal, timeout: AbortSignal): ImageOutcome {
    if (error instanceof APIError && error.status !== undefined) return this.#refusal(error, error.status);
    const fault = faultBeforeSending(error);
    if (fault) return notSent(fault);
    if (signal.aborted) return unknown('The call was stopped');
    if (timeout.aborted) {
      return unknown(`No answer within ${this.#options.timeoutMilliseconds / 1_000} s`);
    }
    if (error instanceof AnswerTooLongError) return unknown(error.message);
    if (error instanceof APIConnectionError || error instanceof APIUserAbortError) {
      return unknown('The connection was lost');
    }
    return unknown('The answer cannot be read');
  }

  #refusal(error: APIError, status: number): ImageOutcome {
    const isForOperator = status < 400 || status === 401 || status === 403 || status === 404;
    const code = textOf(error, 'code');
    // Their texts may repeat the key, in parts.
    if (isForOperator) return { kind: 'quota-exhausted', message: named(status, code) };
    const message = this.#describe(error, status);
    if ([code, textOf(error, 'type')].some((name) => name !== undefined && OPERATOR_CODES.has(name))) {
      return { kind: 'quota-exhausted', message };
    }
    if (status === 429) {
      return {
        kind: 'rate-limited',
        retryAfterMilliseconds: retryAfter(error.headers),
        limits: readLimitHints(error.headers),
        message,
      };
    }
    if (GATEWAY_TIMEOUTS.has(status)) return unknown(message);
    if (status >= 500 || TRANSIENT_STATUSES.has(status)) return { kind: 'failed', message };
    return { kind: 'refused', code: code?.slice(0, LONGEST_CODE) ?? String(status), message };
  }

  #describe(error: APIError, status: number): string {
    const start = named(status, textOf(error, 'code'));
    const text = textOf(error, 'message');
    if (text === undefined) return start;
    return `${start}: ${text.replaceAll(this.#options.apiKey, '[key]').slice(0, LONGEST_MESSAGE)}`;
  }
}

/** A field of the error in the answer's body, which may hold anything. */
function textOf({ error }: APIError, field: 'code' | 'type' | 'message'): string | undefined {
  const body: unknown = error;
  if (typeof body !== 'object' || body === null || !(field in body)) return undefined;
  const text: unknown = Object.entries(body).find(([name]) => name === field)?.[1];
  return typeof text === 'string' && text !== '' ? text : undefined;
}

function readImage(answer: OpenAI.ImagesResponse, headers: Headers): ImageOutcome {
  const bytes = readBase64(answer?.data?.[0]?.b64_json);
  const tokens = readTokens(answer?.usage?.total_tokens);
  if (bytes === undefined) return unknown('The answer holds no image', tokens);
  return { kind: 'image', bytes, tokens, limits: readLimitHints(headers) };
}

function readTokens(tokens: unknown): number | null {
  return typeof tokens === 'number' && Number.isSafeInteger(tokens) && tokens >= 0 ? tokens : null;
}

/** Node's own decoder leaves out whatever it does not know. */
function readBase64(text: unknown): Buffer | undefined {
  if (typeof text !== 'string' || text === '') return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function retryAfter(headers: Headers | undefined): number | null {
  const milliseconds = headers?.get('retry-after-ms');
  const asked =
    milliseconds && /^\d+(\.\d+)?$/.test(milliseconds)
      ? Math.min(Math.ceil(Number(milliseconds)), LONGEST_RETRY_AFTER_MILLISECONDS)
      : readRetryAfter(headers?.get('retry-after'), LONGEST_RETRY_AFTER_MILLISECONDS);
  return asked === undefined ? null : Math.max(asked, SHORTEST_RETRY_AFTER_MILLISECONDS);
}

function named(status: number, code: string | undefined): string {
  return code === undefined ? `${status}` : `${status} ${code.slice(0, LONGEST_CODE)}`;
}

function notSent({ reason, isForOperator }: FaultBeforeSending): ImageOutcome {
  const message = 'The image API cannot be reached';
  return isForOperator
    ? { kind: 'quota-exhausted', message: `${message}: ${reason}` }
    : { kind: 'failed', message };
}

function unknown(message: string, tokens: number | null = null): ImageOutcome {
  return { kind: 'unknown', message, tokens };
}
