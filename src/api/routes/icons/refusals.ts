import type { Environment } from '../../../../config/env.ts';
import type { Refusal } from '../../../producers/icons/iconRequests.ts';
import { ServiceUnavailableError } from '../../../runtime/outage.ts';
import { PaymentRequiredError } from '../../errors.ts';

const RETRY_AFTER_CREDITS_SECONDS = 5;

/** Why no icon was started, as an error for the client. Nothing was queued and nothing is charged. */
export function startRefusal(
  refusal: Refusal,
  { ICONS_MONTHLY_LIMIT }: Pick<Environment, 'ICONS_MONTHLY_LIMIT'>,
): Error {
  switch (refusal.kind) {
    case 'insufficient-credits':
      return new PaymentRequiredError('Insufficient credits');
    case 'no-credits-user':
      return new PaymentRequiredError('Icons cost credits, and there is no credits user to charge');
    case 'over-budget':
      return new PaymentRequiredError(`The monthly limit of ${ICONS_MONTHLY_LIMIT} icons is reached`);
    case 'credits-unavailable':
      return new ServiceUnavailableError(
        'The credits cannot be charged now; try again in a moment',
        RETRY_AFTER_CREDITS_SECONDS,
      );
  }
}
