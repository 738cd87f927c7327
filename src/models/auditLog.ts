import { type Connection, Schema, Types } from 'mongoose';
import {
  AUDIT_OUTCOMES,
  type AuditAction,
  type AuditEntry,
  type AuditOutcome,
} from '../domain/audit/entry.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

const auditSchema = new Schema<AuditEntry>(
  {
    at: { type: Date, required: true },
    who: { type: String, required: true },
    action: { type: String, required: true },
    target: { type: String, default: null },
    outcome: { type: String, enum: AUDIT_OUTCOMES, required: true },
    status: { type: Number, default: null },
    ip: { type: String, default: null },
    request_id: { type: String, default: null },
  },
  { collection: 'audit_log', versionKey: false, strict: 'throw' },
);
auditSchema.index({ at: -1, _id: -1 });
auditSchema.index({ who: 1, at: -1, _id: -1 });
auditSchema.index({ action: 1, at: -1, _id: -1 });
auditSchema.index({ target: 1, at: -1, _id: -1 });

/** An entry that is in the log. */
export interface KeptAuditEntry extends AuditEntry {
  readonly entry_id: string;
}

/** Which entries to list, newest first. */
export interface AuditPage {
  readonly who?: string | undefined;
  readonly action?: AuditAction | undefined;
  readonly target?: string | undefined;
  readonly outcome?: AuditOutcome | undefined;
  /** From this instant, included. */
  readonly from?: Date | undefined;
  /** Up to this instant, not included. */
  readonly to?: Date | undefined;
  /** The last entry of the page before. */
  readonly before?: { readonly at: Date; readonly id: string } | undefined;
  readonly limit: number;
}

export async function prepareAuditLog(connection: Connection): Promise<void> {
  await createMissing(connection, 'AuditEntry', auditSchema);
}

/**
 * Adds entries. Nothing changes or removes one afterwards.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function appendAuditEntries(
  connection: Connection,
  entries: readonly AuditEntry[],
): Promise<void> {
  await auditLog(connection).insertMany(entries.map((entry) => ({ _id: new Types.ObjectId(), ...entry })));
}

export async function listAuditEntries(connection: Connection, page: AuditPage): Promise<KeptAuditEntry[]> {
  const { who, action, target, outcome, from, to, before, limit } = page;
  const found = await auditLog(connection)
    .find({
      ...(who === undefined ? {} : { who }),
      ...(action === undefined ? {} : { action }),
      ...(target === undefined ? {} : { target }),
      ...(outcome === undefined ? {} : { outcome }),
      ...(from || to ? { at: { ...(from ? { $gte: from } : {}), ...(to ? { $lt: to } : {}) } } : {}),
      ...(before
        ? {
            $or: [{ at: { $lt: before.at } }, { at: before.at, _id: { $lt: new Types.ObjectId(before.id) } }],
          }
        : {}),
    })
    .sort({ at: -1, _id: -1 })
    .limit(limit)
    .toArray();
  return found.map(({ _id, ...entry }) => ({ entry_id: _id.toHexString(), ...entry }));
}

function auditLog(connection: Connection) {
  return usable(connection).collection<AuditEntry & { readonly _id: Types.ObjectId }>('audit_log');
}
