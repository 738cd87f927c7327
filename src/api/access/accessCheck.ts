import type { Request } from 'express';
import type { Connection } from 'mongoose';
import type { Environment } from '../../../config/env.ts';
import { apiKeyIdIn } from '../../domain/accounts/apiKey.ts';
import { type Caller, callerId, mayUse } from '../../domain/accounts/caller.ts';
import type { AuditTrail } from '../audit/auditTrail.ts';
import { withinDeadline } from '../deadline.ts';
import type { Route } from '../route.ts';
import { ApiKeyCheck } from './apiKeyCheck.ts';
import { type Credentials, credentialsOf } from './credentials.ts';
import { EnvironmentKeys } from './environmentKeys.ts';
import { type NeededAccess, refusalOf } from './refusals.ts';
import { TokenCheck } from './tokenCheck.ts';
import type { Denial, Verdict } from './verdict.ts';

/**
 * Finds out who calls and whether they may. Throws the refusal of the route's family.
 * At once where the credential is of the environment or known; a promise where a store has to be asked.
 *
 * @throws AccessDeniedError, and ServiceUnavailableError when a store is away: nobody is let through on trust
 */
export type AccessCheck = (request: Request, route: Route, needed: NeededAccess) => Caller | Promise<Caller>;

/** An answer is due within two seconds, and the work itself comes after this. */
const STORE_MILLISECONDS = 600;

interface AccessCheckDependencies {
  readonly environment: Environment;
  readonly mongo: Connection;
  readonly audit: AuditTrail;
}

/** Makes the check of the operator's key, the shared key of the credits contract, API keys and access tokens. */
export function createAccessCheck({ environment, mongo, audit }: AccessCheckDependencies): AccessCheck {
  const environmentKeys = new EnvironmentKeys(environment);
  const apiKeys = new ApiKeyCheck(mongo);
  const tokens = new TokenCheck(environment, mongo);

  /** Of the keys of the environment. */
  function known({ bearer, keys }: Credentials): Caller | undefined {
    for (const text of bearer === undefined ? keys : [bearer, ...keys]) {
      const caller = environmentKeys.callerOf(text);
      if (caller) return caller;
    }
    return undefined;
  }

  function verdictOn(text: string, isBearer: boolean): Verdict | Promise<Verdict> {
    const keyId = apiKeyIdIn(text);
    if (keyId !== undefined) return apiKeys.check(keyId, text);
    return isBearer ? tokens.check(text) : { kind: 'bad' };
  }

  /** The first good one of several counts; when none is good, what is wrong with the first. */
  async function judge({ bearer, keys, otherScheme }: Credentials): Promise<Verdict> {
    const sent = [
      ...(bearer === undefined ? [] : [{ text: bearer, isBearer: true }]),
      ...keys.map((text) => ({ text, isBearer: false })),
    ];
    let denial: Denial | undefined;
    for (const { text, isBearer } of sent) {
      const verdict = await verdictOn(text, isBearer);
      if (verdict.kind === 'valid') return verdict;
      denial ??= verdict;
    }
    return denial ?? { kind: otherScheme ? 'other-scheme' : 'missing' };
  }

  function admit(verdict: Verdict, request: Request, route: Route, needed: NeededAccess): Caller {
    if (verdict.kind === 'valid' && holds(verdict.caller, needed)) return verdict.caller;
    const denial: Denial = verdict.kind === 'valid' ? { kind: 'lacking', caller: verdict.caller } : verdict;
    const refusal = refusalOf(route.errors, denial, needed);
    const { context } = request;
    const caller = 'caller' in denial ? denial.caller : undefined;
    const who = caller && callerId(caller);
    context.logger.warn({ ip: context.ip, reason: denial.kind, caller: who, needed }, 'Access refused');
    if (who !== undefined) audit.denied(request, route, who, refusal.status);
    throw refusal;
  }

  return (request, route, needed) => {
    const credentials = credentialsOf(request, route.errors);
    const caller = known(credentials);
    if (caller && holds(caller, needed)) return caller;
    const verdict = caller
      ? Promise.resolve<Verdict>({ kind: 'valid', caller })
      : withinDeadline(STORE_MILLISECONDS, 'The store of accounts and keys', judge(credentials));
    return verdict.then((judged) => admit(judged, request, route, needed));
  };
}

function holds(caller: Caller, needed: NeededAccess): boolean {
  return needed === 'account' ? caller.kind === 'account' : mayUse(caller, needed);
}
