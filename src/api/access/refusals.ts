import { HttpError } from '../errors.ts';
import type { ErrorFamily, Route } from '../route.ts';
import type { Denial } from './verdict.ts';

/** A request that may not go on, as the contract of its route says it. */
export class AccessDeniedError extends HttpError {
  override name = 'AccessDeniedError';
  readonly status: number;
  readonly #challenge: string | undefined;
  readonly #members: Readonly<Record<string, unknown>>;

  constructor({ status, message, challenge, members = {} }: Refusal) {
    super(message);
    this.status = status;
    this.#challenge = challenge;
    this.#members = members;
  }

  override get headers(): Readonly<Record<string, string>> {
    return this.#challenge === undefined ? {} : { 'WWW-Authenticate': this.#challenge };
  }

  override get members(): Readonly<Record<string, unknown>> {
    return this.#members;
  }
}

interface Refusal {
  readonly status: number;
  readonly message: string;
  /** Value of `WWW-Authenticate`, which a 401 needs (https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1). */
  readonly challenge?: string;
  readonly members?: Readonly<Record<string, unknown>>;
}

/** What a route that is not open asks for: a scope, or an account's own token. */
export type NeededAccess = Exclude<Route['access'], 'open'>;

type Refuse = (denial: Denial, needed: NeededAccess) => Refusal;

/** The refusal of a family's route. */
export function refusalOf(family: ErrorFamily, denial: Denial, needed: NeededAccess): AccessDeniedError {
  return new AccessDeniedError(REFUSALS[family](denial, needed));
}

/** What the OpenAPI document says about a family's refusals: the statuses that occur. */
export const DENIAL_STATUSES: Readonly<Record<ErrorFamily, readonly (401 | 403)[]>> = {
  usage: [401, 403],
  credits: [401],
  icons: [401, 403],
  commerce: [401, 403],
  photos: [401],
  login: [401, 403],
  problem: [401, 403],
};

/** As in https://www.rfc-editor.org/rfc/rfc6750#section-3 */
const CHALLENGE = 'Bearer realm="millrace"';

const WANTED =
  'Send an access token, an API key or the operator\'s key: "Authorization: Bearer …", or "X-API-Key: …" for a key';

const REASONS: Readonly<Record<Exclude<Denial['kind'], 'lacking' | 'others-user'>, string>> = {
  missing: `This needs a credential. ${WANTED}`,
  'other-scheme': `Authorization has to be of the scheme Bearer. ${WANTED}`,
  bad: `The credential is not valid. ${WANTED}`,
  expired: 'The credential has expired',
  revoked: 'The key was revoked',
};

const plain: Refuse = (denial, needed) => {
  if (denial.kind === 'others-user') {
    return {
      status: 403,
      message:
        'An account may ask for its own user only, named as user_id in the query; the rest takes a key',
    };
  }
  if (denial.kind === 'lacking') {
    return {
      status: 403,
      message: lackOf(needed),
      challenge: `${CHALLENGE}, error="insufficient_scope", scope="${needed}"`,
    };
  }
  const isPresent = denial.kind !== 'missing' && denial.kind !== 'other-scheme';
  return {
    status: 401,
    message: REASONS[denial.kind],
    challenge: isPresent ? `${CHALLENGE}, error="invalid_token"` : CHALLENGE,
  };
};

function lackOf(needed: NeededAccess): string {
  return needed === 'account'
    ? 'This needs the access token of an account; a key is none'
    : `This needs the scope ${needed}, which the credential does not hold`;
}

/** One text for everything that is wrong with a key: the contract knows no other. */
const credits: Refuse = () => ({
  status: 401,
  message: 'Invalid or missing API key. Include X-API-Key header or api_key parameter.',
  challenge: CHALLENGE,
});

/** The dashboard drops its token on a 401 and on nothing else. */
const icons: Refuse = (denial, needed) => {
  if (denial.kind === 'lacking' || denial.kind === 'others-user') {
    const error = lackOf(needed);
    return { status: 403, message: 'Access denied', members: { error, msg: error } };
  }
  const isPresent = denial.kind !== 'missing' && denial.kind !== 'other-scheme';
  const error = isPresent ? 'Invalid or expired token' : 'Missing or invalid authorization header';
  return {
    status: 401,
    message: 'Authentication required',
    challenge: CHALLENGE,
    members: { error, msg: error },
  };
};

const commerce: Refuse = (denial) => {
  switch (denial.kind) {
    case 'missing':
      return { status: 403, message: 'Not authenticated' };
    case 'other-scheme':
      return { status: 403, message: 'Invalid authentication credentials' };
    case 'bad':
    case 'revoked':
      return { status: 401, message: 'Invalid token', challenge: CHALLENGE };
    case 'expired':
      return { status: 401, message: 'Token expired', challenge: CHALLENGE };
    case 'lacking':
    case 'others-user':
      return { status: 403, message: 'Superadmin access required' };
  }
};

/** Never 403: the edge's client asks for another token on 401 only. */
const photos: Refuse = (denial) => {
  const challenge = 'Bearer realm="api"';
  if (denial.kind === 'missing' || denial.kind === 'other-scheme') {
    return { status: 401, message: 'Authentication credentials were not provided.', challenge };
  }
  return {
    status: 401,
    message: 'Given token not valid for any token type',
    challenge,
    members: {
      code: 'token_not_valid',
      messages: [
        { token_class: 'AccessToken', token_type: 'access', message: 'Token is invalid or expired' },
      ],
    },
  };
};

const REFUSALS: Readonly<Record<ErrorFamily, Refuse>> = {
  usage: plain,
  credits,
  icons,
  commerce,
  photos,
  login: plain,
  problem: plain,
};
