import { timingSafeEqual } from 'node:crypto';
import type { Environment } from '../../../config/env.ts';
import type { Caller } from '../../domain/accounts/caller.ts';
import { digest } from './sameSecret.ts';

/** The keys that the environment holds. They need no store. */
export class EnvironmentKeys {
  readonly #keys: readonly { readonly digest: Buffer; readonly caller: Caller }[];

  constructor({ ADMIN_API_KEY: operator, PENORA_API_KEY: shared }: Environment) {
    this.#keys = [
      ...(operator === undefined
        ? []
        : [{ digest: digest(operator), caller: { kind: 'operator' } as const }]),
      ...(shared === undefined ? [] : [{ digest: digest(shared), caller: { kind: 'shared-key' } as const }]),
    ];
  }

  /** Whose key it is, found in a time that tells nothing about the keys. */
  callerOf(presented: string): Caller | undefined {
    const given = digest(presented);
    let caller: Caller | undefined;
    for (const key of this.#keys) if (timingSafeEqual(key.digest, given)) caller ??= key.caller;
    return caller;
  }
}
