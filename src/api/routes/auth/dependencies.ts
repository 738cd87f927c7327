import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Environment } from '../../../../config/env.ts';
import { PasswordHasher } from '../../../runtime/passwordHasher.ts';
import { LoginThrottle } from '../../limits/loginThrottle.ts';
import { AccessTokens } from '../../tokens/accessTokens.ts';

/** What logging in and the accounts work with. */
export interface AuthRouteDependencies {
  readonly connection: Connection;
  /** Absent when JWT_SECRET is not set. */
  readonly tokens: AccessTokens | undefined;
  readonly passwords: PasswordHasher;
  readonly throttle: LoginThrottle;
}

export function authDependencies(
  environment: Environment,
  redis: Redis,
  connection: Connection,
): AuthRouteDependencies {
  return {
    connection,
    tokens: AccessTokens.open(environment),
    passwords: new PasswordHasher(),
    throttle: new LoginThrottle(redis, environment.REDIS_PREFIX),
  };
}
