import type { Request } from 'express';
import type { z } from 'zod';
import { readFields } from '../../body/readFields.ts';
import { badRequestFrom } from '../../errors.ts';

const BODY_LIMIT_BYTES = 1_048_576;

/**
 * Reads the fields of a body.
 *
 * @throws BadRequestError that lists what is wrong; what `readFields` throws
 */
export async function readBodyAs<Schema extends z.ZodType>(
  schema: Schema,
  request: Request,
): Promise<z.output<Schema>> {
  const parsed = schema.safeParse(await readFields(request, BODY_LIMIT_BYTES));
  if (!parsed.success) throw badRequestFrom(parsed.error, 'body');
  return parsed.data;
}
