import type { Route } from '../route.ts';
import { addCreditsRoute } from './credits/addCredits.ts';
import { balanceAtRoute } from './credits/balanceAt.ts';
import { balanceStreamRoute } from './credits/balanceStream.ts';
import { balancesRoute } from './credits/balances.ts';
import { createUserRoute } from './credits/createUser.ts';
import { deductCreditsRoute } from './credits/deductCredits.ts';
import type { CreditsRouteDependencies } from './credits/dependencies.ts';
import { giveBonusCreditsRoute } from './credits/giveBonusCredits.ts';
import { grantRoute } from './credits/grants.ts';
import { contractHealthRoute } from './credits/health.ts';
import { holdRoutes } from './credits/holds.ts';
import { refundRoute } from './credits/refunds.ts';
import { statementRoute } from './credits/statement.ts';
import { thresholdRoutes } from './credits/thresholds.ts';
import { transactionsRoute } from './credits/transactions.ts';
import { transferRoute } from './credits/transfers.ts';
import { userInfoRoute } from './credits/userInfo.ts';

/** Credits that several apps share: the contract's endpoints, and what stands beside them. */
export function creditsRoutes(dependencies: CreditsRouteDependencies): readonly Route[] {
  return [
    userInfoRoute(dependencies),
    deductCreditsRoute(dependencies),
    addCreditsRoute(dependencies),
    transactionsRoute(dependencies),
    createUserRoute(dependencies),
    giveBonusCreditsRoute(dependencies),
    contractHealthRoute(),
    ...holdRoutes(dependencies),
    refundRoute(dependencies),
    transferRoute(dependencies),
    grantRoute(dependencies),
    balancesRoute(dependencies),
    balanceAtRoute(dependencies),
    balanceStreamRoute(dependencies),
    statementRoute(dependencies),
    ...thresholdRoutes(dependencies),
  ];
}
