/** An error as the API answers it: `{error: {message, type, param, code}}` with a status and perhaps headers. */
export interface Fault {
  readonly status: number;
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
  readonly headers?: Readonly<Record<string, string>>;
}

const INVALID = 'invalid_request_error';

export function invalidRequest(
  code: string | null,
  param: string | null,
  message: string,
  status = 400,
): Fault {
  return { status, error: { message, type: INVALID, param, code } };
}

export const NO_KEY: Fault = invalidRequest(null, null, "You didn't provide an API key.", 401);

/** Like the API, it repeats the key with its middle hidden. */
export function wrongKey(key: string): Fault {
  const hidden = `${key.slice(0, 4)}${'*'.repeat(8)}${key.slice(-4)}`;
  return invalidRequest('invalid_api_key', null, `Incorrect API key provided: ${hidden}.`, 401);
}

export function unknownAddress(method: string, path: string): Fault {
  return invalidRequest(null, null, `Invalid URL (${method} ${path})`, 404);
}

/** How a 429 says when to come back: not at all, in seconds, or in milliseconds as well. */
export type RetryAfter = 'unsaid' | { readonly seconds: number } | { readonly milliseconds: number };

export function rateLimited(retryAfter: RetryAfter, type: 'requests' | 'tokens' = 'requests'): Fault {
  return {
    status: 429,
    error: {
      message: `Rate limit reached on ${type} per min.`,
      type,
      param: null,
      code: 'rate_limit_exceeded',
    },
    headers: retryHeaders(retryAfter),
  };
}

export const NO_QUOTA: Fault = {
  status: 429,
  error: {
    message: 'You exceeded your current quota, please check your plan and billing details.',
    type: 'insufficient_quota',
    param: null,
    code: 'insufficient_quota',
  },
};

export const MODERATED: Fault = {
  status: 400,
  error: {
    message: 'Your request was rejected by the safety system.',
    type: 'image_generation_user_error',
    param: null,
    code: 'moderation_blocked',
  },
};

export function serverFault(status: number): Fault {
  return {
    status,
    error: {
      message: 'The server had an error while processing your request.',
      type: 'server_error',
      param: null,
      code: null,
    },
  };
}

function retryHeaders(retryAfter: RetryAfter): Record<string, string> {
  if (retryAfter === 'unsaid') return {};
  if ('seconds' in retryAfter) return { 'retry-after': String(retryAfter.seconds) };
  return {
    'retry-after-ms': String(retryAfter.milliseconds),
    'retry-after': String(Math.ceil(retryAfter.milliseconds / 1_000)),
  };
}
