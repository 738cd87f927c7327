import type { Request } from 'express';
import { z } from 'zod';
import type { IconBatch } from '../../../domain/icons/batch.ts';
import { findBatch } from '../../../models/iconBatches.ts';
import { NotFoundError } from '../../errors.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { mayRead } from './iconCaller.ts';

export const BatchPath = z.object({ id: z.string() });

/**
 * The batch that the path names.
 *
 * @param message - of the refusal when there is none, or it is somebody else's
 * @throws NotFoundError
 */
export async function requireBatch(
  { connection }: Pick<IconsRouteDependencies, 'connection'>,
  request: Request,
  message = 'Batch not found',
): Promise<IconBatch> {
  const batch = await findBatch(connection, `${request.params['id']}`);
  if (!batch || !mayRead(request, batch)) throw new NotFoundError(message);
  return batch;
}
