/**
 * Every refusal: its class, its status and its body, for both families. A handler throws; nothing else in the API
 * writes an error body.
 */
import { STATUS_CODES } from 'node:http';
import type { Request, Response } from 'express';
import type { z } from 'zod';
import { isOutage, ServiceUnavailableError } from '../runtime/outage.ts';
import { answerText, headersOf } from './answer.ts';
import { foldPath } from './foldPath.ts';
import type { ErrorFamily } from './route.ts';

/** A refusal that says what the client can do about it. Its message is sent to the client. */
export abstract class HttpError extends Error {
  abstract readonly status: number;
  /** Headers of the answer, such as `Allow`. */
  get headers(): Readonly<Record<string, string>> {
    return {};
  }
  /** Further members of the body. */
  get members(): Readonly<Record<string, unknown>> {
    return {};
  }
  /** The whole body, where the contract of the route gives this refusal another one than its family's. */
  get contractBody(): Readonly<Record<string, unknown>> | undefined {
    return undefined;
  }
}

/** One thing that is wrong with a request. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

export class BadRequestError extends HttpError {
  override name = 'BadRequestError';
  readonly status = 400;
  readonly problems: readonly FieldProblem[];

  constructor(message: string, problems: readonly FieldProblem[] = []) {
    super(message);
    this.problems = problems;
  }

  override get members(): Readonly<Record<string, unknown>> {
    return this.problems.length > 0 ? { errors: this.problems } : {};
  }
}

export class UnauthorizedError extends HttpError {
  override name = 'UnauthorizedError';
  readonly status = 401;
  readonly #challenge: string;

  /** @param challenge - value of `WWW-Authenticate` */
  constructor(message: string, challenge: string) {
    super(message);
    this.#challenge = challenge;
  }

  override get headers(): Readonly<Record<string, string>> {
    return { 'WWW-Authenticate': this.#challenge };
  }
}

export class PaymentRequiredError extends HttpError {
  override name = 'PaymentRequiredError';
  readonly status = 402;
}

export class ForbiddenError extends HttpError {
  override name = 'ForbiddenError';
  readonly status = 403;
}

export class NotFoundError extends HttpError {
  override name = 'NotFoundError';
  readonly status = 404;
}

export class MethodNotAllowedError extends HttpError {
  override name = 'MethodNotAllowedError';
  readonly status = 405;
  readonly #allow: string;

  constructor(method: string, allow: string) {
    super(`${method} is not possible here; possible: ${allow}`);
    this.#allow = allow;
  }

  override get headers(): Readonly<Record<string, string>> {
    return { Allow: this.#allow };
  }
}

export class RequestTimeoutError extends HttpError {
  override name = 'RequestTimeoutError';
  readonly status = 408;
}

export class ConflictError extends HttpError {
  override name = 'ConflictError';
  readonly status = 409;
}

export class BodyTooLargeError extends HttpError {
  override name = 'BodyTooLargeError';
  readonly status = 413;

  constructor(limitBytes: number) {
    super(`The body is larger than ${limitBytes} bytes`);
  }
}

export class UnsupportedMediaTypeError extends HttpError {
  override name = 'UnsupportedMediaTypeError';
  readonly status = 415;
}

export class UnprocessableError extends HttpError {
  override name = 'UnprocessableError';
  readonly status = 422;
}

export class TooManyRequestsError extends HttpError {
  override name = 'TooManyRequestsError';
  readonly status = 429;
  readonly #retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number) {
    super(message);
    this.#retryAfterSeconds = retryAfterSeconds;
  }

  override get headers(): Readonly<Record<string, string>> {
    return { 'Retry-After': String(this.#retryAfterSeconds) };
  }
}

/** What is sent for an error, before it is put into a family's shape. */
interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;
  readonly contractBody?: Readonly<Record<string, unknown>> | undefined;
  /** Nobody foresaw it; the message tells no details. */
  readonly unexpected?: true;
}

const RETRY_AFTER_OUTAGE_SECONDS = 2;

/**
 * Turns a zod failure into the refusal that lists it.
 *
 * @param what - the part of the request, such as `query`
 */
export function badRequestFrom(error: z.ZodError, what: string): BadRequestError {
  const problems = error.issues.map((issue) => ({ field: issue.path.join('.'), message: issue.message }));
  return new BadRequestError(`The ${what} is not valid`, problems);
}

/** Answers with the refusal in the shape of the route's family. An error that nobody foresaw is logged and shown without details. */
export function answerError(error: unknown, request: Request, response: Response): void {
  const refusal = refusalFor(error, request.context.requestId);
  logFailure(error, refusal, request);
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
  const { contentType, text } = BODIES[familyOf(request)](refusal, request);
  if (bodyIsLeftUnread(request)) answerAndLinger(request, response, refusal.status, contentType, text);
  else answerText(response, refusal.status, contentType, text);
}

/** The text that `answerError` would send for this refusal, for an answer that is kept. */
export function refusalBody(error: HttpError, request: Request): string {
  return BODIES[familyOf(request)](error, request).text;
}

/** Below these paths everything is of one contract, whose clients read JSON of one shape, also when nothing is there. */
const CONTRACT_PATHS: readonly (readonly [string, ErrorFamily])[] = [
  ['/api/unified/', 'credits'],
  ['/api/icons/', 'icons'],
];

function familyOf({ context, path }: Request): ErrorFamily {
  if (context.route) return context.route.errors;
  const folded = `${foldPath(path)}/`;
  return CONTRACT_PATHS.find(([root]) => folded.startsWith(root))?.[1] ?? 'problem';
}

function refusalFor(error: unknown, requestId: string): Refusal {
  if (error instanceof HttpError) return error;
  if (isOutage(error)) {
    const named = error instanceof ServiceUnavailableError;
    return {
      status: 503,
      message: named ? error.message : 'The service is not available; try again in a moment',
      headers: { 'Retry-After': String(named ? error.retryAfterSeconds : RETRY_AFTER_OUTAGE_SECONDS) },
      members: {},
    };
  }
  // The router's own failure to decode the path.
  if (error instanceof URIError) {
    return { status: 400, message: 'The path is not correctly percent-encoded', headers: {}, members: {} };
  }
  return {
    status: 500,
    message: `Internal server error: the log has the details under request id ${requestId}`,
    headers: {},
    members: {},
    unexpected: true,
  };
}

function logFailure(error: unknown, { status, unexpected }: Refusal, request: Request): void {
  if (unexpected) request.context.logger.error({ err: error }, 'The request failed unexpectedly');
  else if (status === 503) request.context.logger.warn({ err: error }, 'The request could not be served');
}

/** Bodies of a published contract: `members` are what a refusal of that family adds to its message. */
function bodyOf(shape: (message: string) => object) {
  return (refusal: Refusal) => ({
    contentType: 'application/json; charset=utf-8',
    text: JSON.stringify(refusal.contractBody ?? { ...shape(refusal.message), ...refusal.members }),
  });
}

/** What nobody foresaw has a text of its own in the contract. */
function iconsBody(refusal: Refusal) {
  return bodyOf((message) =>
    refusal.unexpected ? { message: 'Internal server error', error: message } : { message },
  )(refusal);
}

const BODIES: Record<
  ErrorFamily,
  (refusal: Refusal, request: Request) => { contentType: string; text: string }
> = {
  usage: (refusal) => ({
    contentType: 'application/json; charset=utf-8',
    text: JSON.stringify({ status: 'error', message: refusal.message }),
  }),
  credits: bodyOf((message) => ({ success: false, error: message })),
  icons: iconsBody,
  commerce: bodyOf((message) => ({ detail: message })),
  photos: bodyOf((message) => ({ detail: message })),
  login: bodyOf((message) => ({ message, detail: message })),
  problem: (refusal, request) => ({
    contentType: 'application/problem+json; charset=utf-8',
    text: JSON.stringify({
      type: 'about:blank',
      title: STATUS_CODES[refusal.status],
      status: refusal.status,
      detail: refusal.message,
      instance: request.originalUrl.split('?', 1)[0],
      request_id: request.context.requestId,
      ...refusal.members,
    }),
  }),
};

/** A body of this size is read to its end by Node and thrown away, and the connection is kept. */
const SMALL_UNREAD_BYTES = 65_536;
const LINGER_MILLISECONDS = 1_000;

function bodyIsLeftUnread(request: Request): boolean {
  if (request.complete) return false;
  const announced = request.headers['content-length'];
  if (announced !== undefined) return Number(announced) > SMALL_UNREAD_BYTES;
  return request.headers['transfer-encoding'] !== undefined;
}

/**
 * Sends the whole answer but closes only when the client has stopped sending, or a moment later: a socket that is
 * closed with unread bytes is reset, and the client would lose the answer
 * (https://www.rfc-editor.org/rfc/rfc9112#section-9.6).
 */
function answerAndLinger(
  request: Request,
  response: Response,
  status: number,
  contentType: string,
  text: string,
): void {
  response.setHeader('Connection', 'close');
  response.writeHead(status, headersOf(response, contentType, Buffer.byteLength(text)));
  response.write(text);
  const close = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(close, LINGER_MILLISECONDS);
  request.once('end', close);
  request.once('close', close);
  request.resume();
}
