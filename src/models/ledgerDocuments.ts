import { type Connection, Schema } from 'mongoose';
import type { CreditAccount } from '../domain/credits/account.ts';
import { isHeld, userOf } from '../domain/credits/booking.ts';
import type { HeldCredits } from '../domain/credits/holds.ts';
import type { Balance, HoldStatus, LedgerAccount, Movement, MovementKind } from '../domain/credits/ledger.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

const grantPartSchema = new Schema(
  {
    movement_id: { type: String, required: true },
    expires_at: { type: Date, required: true },
    amount: { type: Number, required: true },
  },
  { _id: false },
);

/** One for each user; written only together with the movements that it sums up. */
const accountSchema = new Schema(
  {
    /** The user_id, opaque text. */
    _id: { type: String, required: true },
    username: { type: String, required: true },
    email: { type: String, required: true },
    available: { type: Number, required: true },
    held: { type: Number, required: true },
    version: { type: Number, required: true },
    clock: { type: Number, required: true },
    grants: {
      type: [
        {
          _id: false,
          movement_id: { type: String, required: true },
          expires_at: { type: Date, required: true },
          remaining: { type: Number, required: true },
        },
      ],
      required: true,
    },
    /** End of the first grant that has anything left. */
    next_expiry_at: Date,
    low_threshold: Number,
    below_threshold: { type: Boolean, required: true },
    created_at: { type: Date, required: true },
  },
  { collection: 'credit_accounts', versionKey: false, strict: 'throw' },
);
accountSchema.index(
  { next_expiry_at: 1, _id: 1 },
  { partialFilterExpression: { next_expiry_at: { $exists: true } } },
);

/** Never changed and never deleted. */
const movementSchema = new Schema(
  {
    _id: { type: String, required: true },
    kind: { type: String, required: true },
    at: { type: Date, required: true },
    entries: {
      type: [
        { _id: false, account: { type: String, required: true }, amount: { type: Number, required: true } },
      ],
      required: true,
    },
    balances: {
      type: [
        {
          _id: false,
          user_id: { type: String, required: true },
          available: { type: Number, required: true },
          held: { type: Number, required: true },
          version: { type: Number, required: true },
        },
      ],
      required: true,
    },
    /** Whether the contract lists it. */
    listed: { type: Boolean, required: true },
    transaction_type: { type: String, required: true },
    app_name: { type: String, required: true },
    description: String,
    project_code: String,
    hold_id: String,
    refunds: String,
    expires_at: Date,
    granted: { type: [grantPartSchema], default: undefined },
  },
  { collection: 'credit_movements', versionKey: false, strict: 'throw' },
);
movementSchema.index({ 'balances.user_id': 1, listed: 1, _id: -1 });
movementSchema.index(
  { refunds: 1 },
  { unique: true, partialFilterExpression: { refunds: { $exists: true } } },
);
movementSchema.index({ hold_id: 1 }, { partialFilterExpression: { hold_id: { $exists: true } } });

const holdSchema = new Schema(
  {
    _id: { type: String, required: true },
    user_id: { type: String, required: true },
    amount: { type: Number, required: true },
    captured: { type: Number, required: true },
    status: { type: String, required: true },
    app_name: { type: String, required: true },
    description: String,
    created_at: { type: Date, required: true },
    expires_at: { type: Date, required: true },
    granted: { type: [grantPartSchema], required: true },
  },
  { collection: 'credit_holds', versionKey: false, strict: 'throw' },
);
holdSchema.index({ user_id: 1, created_at: -1, _id: -1 });
holdSchema.index({ expires_at: 1, _id: 1 }, { partialFilterExpression: { status: 'open' } });
holdSchema.index({ user_id: 1, expires_at: 1 }, { partialFilterExpression: { status: 'open' } });

interface StoredPart {
  movement_id: string;
  expires_at: Date;
  amount: number;
}

export interface AccountDocument {
  _id: string;
  username: string;
  email: string;
  available: number;
  held: number;
  version: number;
  clock: number;
  grants: { movement_id: string; expires_at: Date; remaining: number }[];
  next_expiry_at?: Date;
  low_threshold: number | null;
  below_threshold: boolean;
  created_at: Date;
}

export interface MovementDocument {
  _id: string;
  kind: MovementKind;
  at: Date;
  entries: { account: LedgerAccount; amount: number }[];
  balances: Balance[];
  listed: boolean;
  transaction_type: string;
  app_name: string;
  description: string;
  project_code: string | null;
  hold_id?: string;
  refunds?: string;
  expires_at?: Date;
  granted?: StoredPart[];
}

export interface HoldDocument {
  _id: string;
  user_id: string;
  amount: number;
  captured: number;
  status: HoldStatus;
  app_name: string;
  description: string;
  created_at: Date;
  expires_at: Date;
  granted: StoredPart[];
}

export async function prepareLedger(connection: Connection): Promise<void> {
  await createMissing(connection, 'CreditAccount', accountSchema);
  await createMissing(connection, 'CreditMovement', movementSchema);
  await createMissing(connection, 'CreditHold', holdSchema);
}

export function accounts(connection: Connection) {
  return usable(connection).collection<AccountDocument>('credit_accounts');
}

export function movements(connection: Connection) {
  return usable(connection).collection<MovementDocument>('credit_movements');
}

export function holds(connection: Connection) {
  return usable(connection).collection<HoldDocument>('credit_holds');
}

export function fromAccount(account: CreditAccount): AccountDocument {
  const { user_id: _id, grants, created_at, ...fields } = account;
  const next = grants.find((grant) => grant.remaining > 0);
  return {
    _id,
    ...fields,
    grants: grants.map((grant) => ({ ...grant, expires_at: new Date(grant.expires_at) })),
    ...(next ? { next_expiry_at: new Date(next.expires_at) } : {}),
    created_at: new Date(created_at),
  };
}

export function toAccount(document: AccountDocument): CreditAccount {
  const { _id: user_id, grants, created_at, next_expiry_at: _, ...fields } = document;
  return {
    user_id,
    ...fields,
    grants: grants.map((grant) => ({ ...grant, expires_at: grant.expires_at.getTime() })),
    created_at: created_at.getTime(),
  };
}

export function fromMovement(movement: Movement): MovementDocument {
  const {
    movement_id: _id,
    at,
    entries,
    balances,
    hold_id,
    refunds,
    expires_at,
    granted,
    ...fields
  } = movement;
  return {
    _id,
    ...fields,
    at: new Date(at),
    entries: entries.map(({ account, amount }) => ({ account, amount })),
    balances: [...balances],
    listed: movement.kind !== 'hold' && movement.kind !== 'release',
    ...(hold_id === undefined ? {} : { hold_id }),
    ...(refunds === undefined ? {} : { refunds }),
    ...(expires_at === undefined ? {} : { expires_at: new Date(expires_at) }),
    ...(granted && granted.length > 0 ? { granted: fromParts(granted) } : {}),
  };
}

export function toMovement(document: MovementDocument): Movement {
  const { _id: movement_id, at, entries, expires_at, granted, listed: _, ...fields } = document;
  return {
    movement_id,
    ...fields,
    at: at.getTime(),
    entries: entries.map(({ account, amount }) => ({
      account,
      amount,
      balance_after: balanceAfter(account, document.balances),
    })),
    ...(expires_at === undefined ? {} : { expires_at: expires_at.getTime() }),
    ...(granted === undefined ? {} : { granted: toParts(granted) }),
  };
}

export function fromHold(hold: HeldCredits): HoldDocument {
  const { hold_id: _id, created_at, expires_at, granted, ...fields } = hold;
  return {
    _id,
    ...fields,
    created_at: new Date(created_at),
    expires_at: new Date(expires_at),
    granted: fromParts(granted),
  };
}

export function toHold(document: HoldDocument): HeldCredits {
  const { _id: hold_id, created_at, expires_at, granted, ...fields } = document;
  return {
    hold_id,
    ...fields,
    created_at: created_at.getTime(),
    expires_at: expires_at.getTime(),
    granted: toParts(granted),
  };
}

function balanceAfter(account: LedgerAccount, balances: readonly Balance[]): number | undefined {
  const userId = userOf(account);
  const balance = balances.find((candidate) => candidate.user_id === userId);
  return isHeld(account) ? balance?.held : balance?.available;
}

function fromParts(parts: HeldCredits['granted']): StoredPart[] {
  return parts.map((part) => ({ ...part, expires_at: new Date(part.expires_at) }));
}

function toParts(parts: readonly StoredPart[]): HeldCredits['granted'] {
  return parts.map((part) => ({ ...part, expires_at: part.expires_at.getTime() }));
}
