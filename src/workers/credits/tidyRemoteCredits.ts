import type { RemoteCredits } from '../../providers/credits/remote.ts';
import type { remoteCreditsQueue } from '../../queues/remoteCredits.ts';
import type { Handlers } from '../handlers.ts';
import { done } from '../outcome.ts';

/** @param remote - absent while the credits are kept here: what waits for another server then stays */
export function createTidyRemoteCredits(
  remote: RemoteCredits | undefined,
): Handlers<typeof remoteCreditsQueue>['tidy-remote-credits'] {
  return async (_payload, run) => {
    await remote?.tidy(run.signal);
    return done;
  };
}
