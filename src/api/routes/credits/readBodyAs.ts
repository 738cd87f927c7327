import type { Request } from 'express';
import type { z } from 'zod';
import { type Fields, readFields } from '../../body/readFields.ts';
import { badRequestFrom } from '../../errors.ts';

const BODY_LIMIT_BYTES = 1_048_576;

/**
 * Reads a body of this shape.
 *
 * @returns the fields as sent, which an Idempotency-Key stands for, and as they are meant
 * @throws BadRequestError that lists what is wrong, and what `readFields` throws
 */
export async function readBodyAs<Shape extends z.ZodType>(
  shape: Shape,
  request: Request,
): Promise<{ sent: Fields; fields: z.infer<Shape> }> {
  const sent = await readFields(request, BODY_LIMIT_BYTES);
  const parsed = shape.safeParse(sent);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'body');
  return { sent, fields: parsed.data };
}
