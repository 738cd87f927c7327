import type { Environment } from '../../../config/env.ts';
import { callerId, mayUse } from '../../domain/accounts/caller.ts';
import type { Reach } from '../../domain/icons/reach.ts';
import type { CredentialCheck } from '../access/credentialCheck.ts';
import { withinDeadline } from '../deadline.ts';
import { OPEN_MODE_OWNER } from '../routes/icons/iconCaller.ts';

const STORE_MILLISECONDS = 1_000;
const BEARER = /^Bearer +(\S+) *$/i;

/** Whose a live connection is, by the credential it was opened with. */
export class LiveCallers {
  readonly #check: CredentialCheck;
  readonly #isOpenMode: boolean;

  constructor(check: CredentialCheck, { ICONS_OPEN_MODE }: Pick<Environment, 'ICONS_OPEN_MODE'>) {
    this.#check = check;
    this.#isOpenMode = ICONS_OPEN_MODE;
  }

  /**
   * In open mode everybody is one user who sees everything, with a credential too: so it is for requests.
   *
   * @param credential - an access token, an API key or the operator's key
   * @returns nothing for a connection that may be there but sees nothing
   * @throws ServiceUnavailableError when a store is away
   */
  async find(credential: string | undefined): Promise<Reach | undefined> {
    if (this.#isOpenMode) return { owner: OPEN_MODE_OWNER, sees_all: true };
    if (credential === undefined) return undefined;
    const checked = Promise.resolve(this.#check.check({ text: credential, isBearer: true }));
    const verdict = await withinDeadline(STORE_MILLISECONDS, 'The store of accounts and keys', checked);
    if (verdict.kind !== 'valid' || !mayUse(verdict.caller, 'icons')) return undefined;
    return { owner: callerId(verdict.caller), sees_all: verdict.caller.kind === 'operator' };
  }
}

/** The token behind `Authorization: Bearer`. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
}
