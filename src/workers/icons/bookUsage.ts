import { type LimitHints, NO_HINTS } from '../../platforms/images/imageProvider.ts';
import { endsWithin } from '../../runtime/endsWithin.ts';
import type { Run } from '../handlers.ts';
import type { IconWork } from './iconWork.ts';

/** What the answer to a call says about the limits. */
interface Usage {
  /** Tokens that were used; nothing when the answer does not say. */
  readonly tokens: number | null;
  readonly limits?: LimitHints;
  /** For how long no call is to begin; milliseconds. */
  readonly pause?: number;
}

/** A worker's commands wait for Redis as long as it is away. */
const LONGEST_MILLISECONDS = 2_000;

/**
 * Books what a call has used, in the lane of its provider. Never fails and never takes long: without it the reservation's
 * bound counts until it leaves the window, and no outcome of a call may depend on that.
 */
export async function bookUsage(
  { lane }: Pick<IconWork, 'lane'>,
  { reservation }: { readonly reservation: string | undefined },
  { tokens, limits = NO_HINTS, pause }: Usage,
  run: Pick<Run, 'logger'>,
): Promise<void> {
  if (reservation === undefined) return;
  const book = async () => {
    await lane.settle(reservation, tokens);
    await lane.correct(limits);
    if (pause === undefined || (await lane.pause(pause)) === 'known') return;
    const until = new Date(Date.now() + pause).toISOString();
    run.logger.warn(
      { model: lane.name, until },
      'The image API asks for less: no call begins until then, or until npm run icons -- resume',
    );
  };
  try {
    if (!(await endsWithin(LONGEST_MILLISECONDS, book())))
      run.logger.warn('Redis does not answer: what a call has used is not booked yet');
  } catch (error) {
    run.logger.warn({ err: error }, 'What a call has used could not be booked');
  }
}
