import type { Request } from 'express';
import type { ErrorFamily } from '../route.ts';

/** What a request shows of its sender. */
export interface Credentials {
  /** Behind `Authorization: Bearer`: an access token, an API key, or a key of the environment. */
  readonly bearer: string | undefined;
  /** `X-API-Key`, and where the family allows it `?api_key=`. */
  readonly keys: readonly string[];
  /** There is an `Authorization` header, but of another scheme. */
  readonly otherScheme: boolean;
}

const BEARER = /^Bearer +(\S+) *$/i;
/** Its clients may send the key in the query. */
const KEY_IN_QUERY: ErrorFamily = 'credits';

export function credentialsOf(request: Request, family: ErrorFamily): Credentials {
  const authorization = request.headers.authorization;
  const bearer = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
  return {
    bearer,
    keys: [
      textOf(request.headers['x-api-key']),
      family === KEY_IN_QUERY ? textOf(request.query['api_key']) : undefined,
    ].filter((key) => key !== undefined),
    otherScheme: authorization !== undefined && bearer === undefined,
  };
}

/** Of a parameter that was repeated the first counts, as in the contract's first server. */
function textOf(value: unknown): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' && first !== '' ? first : undefined;
}
