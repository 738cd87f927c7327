import { createRemoteJWKSet, decodeJwt, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Environment } from '../../../config/env.ts';
import { ServiceUnavailableError } from '../../runtime/outage.ts';
import { CLOCK_TOLERANCE_SECONDS, type TokenVerdict } from './verdict.ts';

/** An answer is due within two seconds, so the keys have to come sooner. */
const FETCH_LIMIT_MILLISECONDS = 1_000;
const KEYS_KEPT_MILLISECONDS = 10 * 60_000;
/** Tokens with made-up key ids must not make us fetch the keys all the time. */
const FETCH_PAUSE_MILLISECONDS = 30_000;

/** Signatures by key pairs only: a shared secret could be anybody's, and the public key must not be taken for one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** Who is behind the token: nobody but an address that the issuer has verified. */
const outsideClaims = z.object({ email: z.string().min(3), email_verified: z.literal(true) });

/** What is wrong with the token itself. Anything else that goes wrong is the matter of the fetch of the keys. */
const BAD_TOKEN = [
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  z.ZodError,
];

/** Verifies the tokens of an outside issuer with the keys that it publishes. */
export class OutsideIssuer {
  readonly #name: string;
  readonly #audience: string;
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;

  /** @returns undefined when none is configured */
  static open(environment: Environment): OutsideIssuer | undefined {
    const { JWT_ISSUER_JWKS_URL: url, JWT_ISSUER: name, JWT_AUDIENCE: audience } = environment;
    if (url === undefined || name === undefined) return undefined;
    return new OutsideIssuer(name, audience, new URL(url));
  }

  private constructor(name: string, audience: string, url: URL) {
    this.#name = name;
    this.#audience = audience;
    this.#keys = createRemoteJWKSet(url, {
      timeoutDuration: FETCH_LIMIT_MILLISECONDS,
      cooldownDuration: FETCH_PAUSE_MILLISECONDS,
      cacheMaxAge: KEYS_KEPT_MILLISECONDS,
    });
  }

  /** Whether the token says that it is this issuer's. It may lie. */
  issued(token: string): boolean {
    try {
      return decodeJwt(token).iss === this.#name;
    } catch (error) {
      if (error instanceof errors.JWTInvalid) return false;
      throw error;
    }
  }

  /** @throws ServiceUnavailableError when the keys cannot be fetched */
  async verify(token: string): Promise<TokenVerdict> {
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        algorithms: ALGORITHMS,
        issuer: this.#name,
        audience: this.#audience,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['exp'],
      });
      const { email } = outsideClaims.parse(payload);
      return { kind: 'valid', claims: { issuer: 'outside', email } };
    } catch (error) {
      if (error instanceof errors.JWTExpired) return { kind: 'expired' };
      if (BAD_TOKEN.some((kind) => error instanceof kind)) return { kind: 'invalid' };
      throw new ServiceUnavailableError("The keys of the tokens' issuer cannot be fetched; try again", 5, {
        cause: error,
      });
    }
  }
}
