import { z } from 'zod';

/** Of a user, over all apps. */
export const Storage = z
  .object({
    used_mb: z.number().meta({ example: 0.12 }),
    limit_mb: z.number().meta({ example: 1 }),
    available_mb: z.number().meta({ example: 0.88 }),
    usage_percentage: z.number().meta({ example: 12 }),
  })
  .meta({ id: 'WorkspaceStorage', description: 'In megabytes of 1,048,576 bytes, two decimals' });
