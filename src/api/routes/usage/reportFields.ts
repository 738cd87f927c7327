import { z } from 'zod';

const amount = (description: string) => z.union([z.string(), z.number()]).optional().meta({ description });

/** A report as the documentation shows it. `readReport` of the domain is what reads it. */
export const ReportFields = z
  .object({
    userName: z.string().meta({ example: 'demo.seller' }),
    image_count: amount('Whole number, 0 when absent'),
    image_cost: amount('Decimal with up to 6 decimals, 0 when absent'),
    video_count: amount('Whole number, 0 when absent'),
    video_cost: amount('Decimal with up to 6 decimals, 0 when absent'),
    total_cost: amount('Decimal with up to 6 decimals; image_cost + video_cost when absent'),
    timestamp: z.string().optional().meta({
      description:
        '`YYYY-MM-DD HH:MM:SS`, or ISO with `T`, fraction and offset; without an offset wall clock of the business zone; now when absent',
    }),
    event_id: z
      .string()
      .max(200)
      .optional()
      .meta({ description: 'Your own id of the event: the same id again adds no second row' }),
  })
  .meta({ id: 'UsageReport' });
