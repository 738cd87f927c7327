import type { Connection } from 'mongoose';
import type { AuditAction } from '../../src/domain/audit/entry.ts';
import { appendAuditEntries } from '../../src/models/auditLog.ts';

/** Who did what a command did: it says so in the audit log. */
export const BY_COMMAND = 'command-line';

export async function auditCommand(
  connection: Connection,
  action: AuditAction,
  target: string,
): Promise<void> {
  await appendAuditEntries(connection, [
    {
      at: new Date(),
      who: BY_COMMAND,
      action,
      target,
      outcome: 'done',
      status: null,
      ip: null,
      request_id: null,
    },
  ]);
}
