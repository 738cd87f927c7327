import { randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Environment } from '../../../config/env.ts';
import { ACCESS_TOKEN_SECONDS, ACCOUNT_KINDS, type Account } from '../../domain/accounts/account.ts';
import { contractClaims } from './contractClaims.ts';
import { OutsideIssuer } from './outsideIssuer.ts';
import { SigningKey } from './signingKey.ts';
import { CLOCK_TOLERANCE_SECONDS, type TokenVerdict } from './verdict.ts';

/** Both name this product: its tokens are for itself. */
const OWN_NAME = 'millrace';
const ALGORITHM = 'HS256';
export interface IssuedToken {
  readonly token: string;
  /** Seconds. */
  readonly expiresIn: number;
}

const ownClaims = z.object({
  sub: z.string().min(1),
  kind: z.enum(ACCOUNT_KINDS),
  tv: z.int(),
});

/** Signs and verifies access tokens. */
export class AccessTokens {
  readonly #current: SigningKey;
  /** By the `kid` of the tokens that they signed. */
  readonly #accepted: ReadonlyMap<string, SigningKey>;
  readonly #outside: OutsideIssuer | undefined;

  /** @returns undefined when JWT_SECRET is not set: then there are no tokens, and nobody can log in */
  static open(environment: Environment): AccessTokens | undefined {
    const { JWT_SECRET: secret, JWT_PREVIOUS_SECRET: previous } = environment;
    if (secret === undefined) return undefined;
    return new AccessTokens(
      new SigningKey(secret),
      previous === undefined ? undefined : new SigningKey(previous),
      OutsideIssuer.open(environment),
    );
  }

  private constructor(
    current: SigningKey,
    previous: SigningKey | undefined,
    outside: OutsideIssuer | undefined,
  ) {
    this.#current = current;
    this.#accepted = new Map([...(previous ? [previous] : []), current].map((key) => [key.id, key]));
    this.#outside = outside;
  }

  /** Makes a token that lives as long as its account's kind says. */
  async issue(account: Account): Promise<IssuedToken> {
    const expiresIn = ACCESS_TOKEN_SECONDS[account.kind];
    const now = Math.floor(Date.now() / 1_000);
    const token = await new SignJWT({
      ...contractClaims(account),
      kind: account.kind,
      tv: account.token_version,
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid: this.#current.id })
      .setSubject(account.account_id)
      .setIssuer(OWN_NAME)
      .setAudience(OWN_NAME)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + expiresIn)
      .sign(await this.#current.imported);
    return { token, expiresIn };
  }

  /**
   * Says whether a token is one of ours, or of the outside issuer, and not expired.
   *
   * @throws ServiceUnavailableError when the keys of the outside issuer cannot be fetched
   */
  async verify(token: string): Promise<TokenVerdict> {
    if (this.#outside?.issued(token)) return this.#outside.verify(token);
    try {
      const { payload } = await jwtVerify(
        token,
        async (header) => {
          const key = this.#accepted.get(header.kid ?? '');
          if (!key) throw new errors.JWKSNoMatchingKey();
          return key.imported;
        },
        {
          algorithms: [ALGORITHM],
          issuer: OWN_NAME,
          audience: OWN_NAME,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          requiredClaims: ['exp', 'sub'],
        },
      );
      const { sub, kind, tv } = ownClaims.parse(payload);
      return {
        kind: 'valid',
        claims: { issuer: 'own', account_id: sub, account_kind: kind, token_version: tv },
      };
    } catch (error) {
      if (error instanceof errors.JWTExpired) return { kind: 'expired' };
      if (error instanceof errors.JOSEError || error instanceof z.ZodError) return { kind: 'invalid' };
      throw error;
    }
  }
}
