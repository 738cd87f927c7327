import type { Route } from '../route.ts';
import type { AuthRouteDependencies } from './auth/dependencies.ts';
import { edgeTokenRoutes } from './auth/edgeTokens.ts';
import { loginRoute } from './auth/login.ts';
import { passwordRoutes } from './auth/password.ts';
import { resetPageRoutes } from './auth/resetPage.ts';
import { sessionRoutes } from './auth/session.ts';
import { superadminLoginRoute } from './auth/superadminLogin.ts';

/** Logging in as each contract has it, and everything that may be done with a login and a password. */
export function authRoutes(dependencies: AuthRouteDependencies): readonly Route[] {
  return [
    loginRoute(dependencies),
    superadminLoginRoute(dependencies),
    ...edgeTokenRoutes(dependencies),
    ...sessionRoutes(dependencies),
    ...passwordRoutes(dependencies),
    ...resetPageRoutes(dependencies),
  ];
}
