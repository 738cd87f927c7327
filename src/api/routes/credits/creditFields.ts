import { z } from 'zod';
import type { Balance, Hold, Movement } from '../../../domain/credits/ledger.ts';
import { HOLD_STATUSES, MOVEMENT_KINDS } from '../../../domain/credits/ledger.ts';

const LONGEST_ID = 200;
const LONGEST_APP_NAME = 200;
const LONGEST_DESCRIPTION = 1_000;

/** No half of a surrogate pair and no NUL: neither comes back from the stores as it was sent. */
const text = z
  .string()
  .refine((value) => value.isWellFormed() && !value.includes('\0'), 'holds characters that cannot be kept');
const name = text.refine((value) => !/\p{Cc}/u.test(value), 'holds control characters');

/** Opaque: a number as text, a UUID, or a name. */
export const UserId = name.min(1).max(LONGEST_ID).meta({ example: 'u-1001' });
export const Amount = z.int().min(1).meta({ description: 'Whole credits' });
export const AppName = name.trim().min(1).max(LONGEST_APP_NAME).meta({ example: 'imagegene' });
export const Description = text.max(LONGEST_DESCRIPTION);
export const ProjectCode = name.min(1).max(LONGEST_ID);
export const Instant = z.iso.datetime({ offset: true });

export const KeyHeader = z.object({
  'Idempotency-Key': z.string().max(200).optional().meta({
    description:
      'Any text of your own: the same key again gives the same answer, for ever, and nothing is done a second time',
  }),
});

/** What a write answers besides what it is about. */
export const WRITE_REFUSALS = {
  400: { description: 'The body, a parameter or the Idempotency-Key is not valid' },
  422: { description: 'The Idempotency-Key was used before with another request' },
} as const;

export const BalanceView = z
  .object({
    user_id: z.string(),
    credits: z.int().meta({ description: 'What can be spent: holds are taken off' }),
    held: z.int().meta({ description: 'Set aside by open holds' }),
  })
  .meta({ id: 'CreditBalance' });

export function balanceView(balance: Balance): z.infer<typeof BalanceView> {
  return { user_id: balance.user_id, credits: balance.available, held: balance.held };
}

export const HoldView = z
  .object({
    hold_id: z.string(),
    user_id: z.string(),
    amount: z.int(),
    captured: z.int(),
    status: z.enum(HOLD_STATUSES),
    app_name: z.string(),
    description: z.string(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: 'CreditHold' });

export function holdView(hold: Hold): z.infer<typeof HoldView> {
  return {
    hold_id: hold.hold_id,
    user_id: hold.user_id,
    amount: hold.amount,
    captured: hold.captured,
    status: hold.status,
    app_name: hold.app_name,
    description: hold.description,
    created_at: instantText(hold.created_at),
    expires_at: instantText(hold.expires_at),
  };
}

export const MovementView = z
  .object({
    movement_id: z.string(),
    kind: z.enum(MOVEMENT_KINDS),
    at: z.iso.datetime(),
    transaction_type: z.string(),
    app_name: z.string(),
    description: z.string(),
    project_code: z.string().nullable(),
    hold_id: z.string().nullable(),
    refunds: z.string().nullable().meta({ description: 'The movement that this one takes back' }),
    expires_at: z.iso.datetime().nullable().meta({ description: 'When what was added lapses' }),
    entries: z.array(
      z.object({
        account: z.string().meta({ example: 'user:u-1001' }),
        amount: z.int().meta({ description: 'Into the account; negative out of it. All together are 0' }),
      }),
    ),
  })
  .meta({ id: 'CreditMovement' });

export function movementView(movement: Movement): z.infer<typeof MovementView> {
  return {
    movement_id: movement.movement_id,
    kind: movement.kind,
    at: instantText(movement.at),
    transaction_type: movement.transaction_type,
    app_name: movement.app_name,
    description: movement.description,
    project_code: movement.project_code,
    hold_id: movement.hold_id ?? null,
    refunds: movement.refunds ?? null,
    expires_at: movement.expires_at === undefined ? null : instantText(movement.expires_at),
    entries: movement.entries.map(({ account, amount }) => ({ account, amount })),
  };
}

export function instantText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
