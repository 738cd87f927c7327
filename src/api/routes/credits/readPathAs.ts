import type { Request } from 'express';
import type { z } from 'zod';
import { badRequestFrom } from '../../errors.ts';

/** @throws BadRequestError when a part of the path is not what the schema says */
export function readPathAs<Schema extends z.ZodType>(schema: Schema, request: Request): z.infer<Schema> {
  const parsed = schema.safeParse(request.params);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'path');
  return parsed.data;
}
