import type { Connection } from 'mongoose';
import type { Environment } from '../../../config/env.ts';
import { apiKeyIdIn } from '../../domain/accounts/apiKey.ts';
import type { Caller } from '../../domain/accounts/caller.ts';
import { ApiKeyCheck } from './apiKeyCheck.ts';
import { EnvironmentKeys } from './environmentKeys.ts';
import { TokenCheck } from './tokenCheck.ts';
import type { Verdict } from './verdict.ts';

/** A credential as it was sent. */
export interface SentCredential {
  readonly text: string;
  /** Behind `Bearer`, where an access token may stand. */
  readonly isBearer: boolean;
}

/** Finds out whose a credential is: of the environment, an API key, or an access token. */
export class CredentialCheck {
  readonly #environmentKeys: EnvironmentKeys;
  readonly #apiKeys: ApiKeyCheck;
  readonly #tokens: TokenCheck;

  constructor(environment: Environment, connection: Connection) {
    this.#environmentKeys = new EnvironmentKeys(environment);
    this.#apiKeys = new ApiKeyCheck(connection);
    this.#tokens = new TokenCheck(environment, connection);
  }

  /** Whose key of the environment it is. Needs no store. */
  environmentCallerOf(text: string): Caller | undefined {
    return this.#environmentKeys.callerOf(text);
  }

  /** @throws ServiceUnavailableError when a store is away */
  check({ text, isBearer }: SentCredential): Verdict | Promise<Verdict> {
    const caller = this.#environmentKeys.callerOf(text);
    if (caller) return { kind: 'valid', caller };
    const keyId = apiKeyIdIn(text);
    if (keyId !== undefined) return this.#apiKeys.check(keyId, text);
    return isBearer ? this.#tokens.check(text) : { kind: 'bad' };
  }
}
