import type { Connection } from 'mongoose';
import { type ImportStep, planImport } from '../domain/users/importStep.ts';
import type { User } from '../domain/users/user.ts';
import { inTransaction } from './transaction.ts';
import { createUsers, findUsersByIdOrName, reserveUserIds, updateRolesAndStatus } from './users.ts';

/** What importing these users would do now. */
export async function previewImport(connection: Connection, users: readonly User[]): Promise<ImportStep[]> {
  return planImport(users, await findUsersByIdOrName(connection, users));
}

/**
 * Adds and updates these users, all of them together; those in conflict with others are left out. A repeat changes
 * nothing.
 *
 * @param users - no id and no name twice
 * @returns what was done for each user, in order
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function importUsers(connection: Connection, users: readonly User[]): Promise<ImportStep[]> {
  const steps = await inTransaction(connection, async (session) => {
    const plan = planImport(users, await findUsersByIdOrName(connection, users, session));
    const added = plan.filter((step) => step.kind === 'add').map((step) => step.user);
    const updated = plan.filter((step) => step.kind === 'update').map((step) => step.user);
    if (added.length > 0) await createUsers(connection, added, session);
    if (updated.length > 0) await updateRolesAndStatus(connection, updated, session);
    return plan;
  });
  // Also on a repeat: the run before may have ended right before this.
  const ids = steps.filter((step) => step.kind !== 'conflict').map((step) => step.user.user_id);
  await reserveUserIds(connection, Math.max(0, ...ids));
  return steps;
}
