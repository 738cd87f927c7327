import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { callerId } from '../domain/accounts/caller.ts';
import type { OnceAnswer, OnceKey, Reply } from '../models/idempotency.ts';
import { answerText } from './answer.ts';
import { BadRequestError, type HttpError, refusalBody, UnprocessableError } from './errors.ts';

/** Printable ASCII without the space, which is what `uuid`, ULIDs and the like consist of. */
const KEY = /^[\x21-\x7e]{1,200}$/;

/**
 * Reads the `Idempotency-Key` of a write. A key belongs to its caller and its route, so two clients may choose the same
 * one. The path's parameters count as part of the body: the same key for another hold is another request.
 *
 * @param body - the fields as sent, plain JSON; their order does not matter
 * @returns undefined when the request has no key
 * @throws BadRequestError when the key is not 1 to 200 visible ASCII characters
 */
export function onceOf(request: Request, body: unknown): OnceKey | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw new BadRequestError('Idempotency-Key has to be 1 to 200 visible ASCII characters');
  }
  const { caller, route } = request.context;
  if (!caller || !route) throw new Error('An idempotent route needs a caller');
  return {
    id: digest([callerId(caller), route.method, route.path, key]),
    fingerprint: digest([request.params, body]),
  };
}

/**
 * Answers with what came of the request: the reply, marked when it is an earlier one's, or 422 when the key was used
 * with another body.
 *
 * @throws UnprocessableError in the route's family
 */
export function answerOnce(request: Request, response: Response, answer: OnceAnswer): void {
  if (answer.kind === 'other-request') {
    throw new UnprocessableError('This Idempotency-Key was used before with another request');
  }
  if (answer.kind === 'replayed') response.setHeader('Idempotency-Replayed', 'true');
  const { status, body } = answer.reply;
  const isProblem = status >= 400 && request.context.route?.errors === 'problem';
  const contentType = isProblem ? 'application/problem+json' : 'application/json';
  answerText(response, status, `${contentType}; charset=utf-8`, body);
}

/** A refusal as the reply that is kept under a key, in the shape of the route's family. */
export function refusalReply(error: HttpError, request: Request): Reply {
  return { status: error.status, body: refusalBody(error, request) };
}

function digest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('base64url');
}

/** JSON with the names of every object in order, so that equal values have equal texts. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  );
}
