import { z } from 'zod';

const id = z.string().min(1).max(64);

/** What a client names a batch by: for icons a job is the batch (the icons contract, Socket.IO). */
export const BatchMessage = z
  .union([
    z.object({ batch_id: id }),
    z.object({ job_id: id }).transform(({ job_id }) => ({ batch_id: job_id })),
  ])
  .transform(({ batch_id }) => batch_id);

export const JOIN_REFUSALS = {
  refused: 'There is no such batch of yours; send the token of its owner with the connection',
  'too-many': 'This connection follows as many batches as it may; leave one first',
  unavailable: 'The batch cannot be looked up now; try again in a moment',
} as const;

/** Messages of one client that wait for their turn. A client that sends more is cut off. */
export const MOST_WAITING_MESSAGES = 100;
/** A credential may expire or be revoked while its connection stands. */
export const RECHECK_CREDENTIAL_MILLISECONDS = 15_000;
/** Nobody has to send much. */
export const LONGEST_MESSAGE_BYTES = 16_384;
