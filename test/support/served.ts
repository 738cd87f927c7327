import { waitFor } from './waitFor.ts';

/**
 * Asks as a client does that is told to come back: a process that stands still for a moment gives 503 although everything
 * is there. For reads, and for writes that may be sent again.
 */
export function served<Answer extends { readonly status: number }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  return waitFor(
    'an answer other than 503',
    async () => {
      const answer = await ask();
      return answer.status === 503 ? undefined : answer;
    },
    120_000,
  );
}
