import type { Request } from 'express';
import type { Connection } from 'mongoose';
import type { Environment } from '../../../config/env.ts';
import { type Caller, callerId, mayUse } from '../../domain/accounts/caller.ts';
import type { AuditTrail } from '../audit/auditTrail.ts';
import { withinDeadline } from '../deadline.ts';
import type { Route } from '../route.ts';
import { CredentialCheck, type SentCredential } from './credentialCheck.ts';
import { type Credentials, credentialsOf } from './credentials.ts';
import { asksForOthers } from './ownUser.ts';
import { type NeededAccess, refusalOf } from './refusals.ts';
import type { Denial, Verdict } from './verdict.ts';

/**
 * Finds out who calls and whether they may. Throws the refusal of the route's family.
 * At once where the credential is of the environment or known; a promise where a store has to be asked.
 *
 * @throws AccessDeniedError, and ServiceUnavailableError when a store is away: nobody is let through on trust
 */
export type AccessCheck = (request: Request, route: Route, needed: NeededAccess) => Caller | Promise<Caller>;

/** An answer is due within two seconds. What is known for less than a second is not asked for again. */
const STORE_MILLISECONDS = 1_000;

interface AccessCheckDependencies {
  readonly environment: Environment;
  readonly mongo: Connection;
  readonly audit: AuditTrail;
}

/** Makes the check of the operator's key, the shared key of the credits contract, API keys and access tokens. */
export function createAccessCheck({ environment, mongo, audit }: AccessCheckDependencies): AccessCheck {
  const check = new CredentialCheck(environment, mongo);

  /** The first of several that may; when none may, what is wrong with the first. */
  async function judge(
    request: Request,
    route: Route,
    needed: NeededAccess,
    credentials: Credentials,
  ): Promise<Verdict> {
    let denial: Denial | undefined;
    for (const sent of allOf(credentials)) {
      const verdict = await check.check(sent);
      const refused = verdict.kind === 'valid' ? lackOf(verdict.caller, needed, request, route) : verdict;
      if (!refused) return verdict;
      denial ??= refused;
    }
    return denial ?? { kind: credentials.otherScheme ? 'other-scheme' : 'missing' };
  }

  function refuse(denial: Denial, request: Request, route: Route, needed: NeededAccess): never {
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
    for (const { text } of allOf(credentials)) {
      const caller = check.environmentCallerOf(text);
      if (caller && !lackOf(caller, needed, request, route)) return caller;
    }
    return judgeInTime(request, route, needed, credentials);
  };

  async function judgeInTime(
    request: Request,
    route: Route,
    needed: NeededAccess,
    credentials: Credentials,
  ): Promise<Caller> {
    const judging = judge(request, route, needed, credentials);
    const judged = await withinDeadline(STORE_MILLISECONDS, 'The store of accounts and keys', judging);
    return judged.kind === 'valid' ? judged.caller : refuse(judged, request, route, needed);
  }
}

function allOf({ bearer, keys }: Credentials): readonly SentCredential[] {
  const sentKeys = keys.map((text) => ({ text, isBearer: false }));
  return bearer === undefined ? sentKeys : [{ text: bearer, isBearer: true }, ...sentKeys];
}

/** What a caller who is known lacks, if anything. */
function lackOf(caller: Caller, needed: NeededAccess, request: Request, route: Route): Denial | undefined {
  const holds = needed === 'account' ? caller.kind === 'account' : mayUse(caller, needed);
  if (!holds) return { kind: 'lacking', caller };
  return asksForOthers(caller, needed, request, route) ? { kind: 'others-user', caller } : undefined;
}
