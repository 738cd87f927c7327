import type { Connection } from 'mongoose';

export interface ImportedUser {
  readonly user_id: string;
  readonly username: string;
  readonly email: string;
  /** From 0 up. */
  readonly credits: number;
}

/** `exists`: the user was there before and stays as it is. */
export type ImportedUserOutcome = 'imported' | 'exists' | 'balance-too-large';

/** What importing these users would do now, in order. */
export async function previewUserImport(
  _connection: Connection,
  _rows: readonly ImportedUser[],
): Promise<ImportedUserOutcome[]> {
  throw new Error('not yet');
}

/**
 * Adds those of the users that are unknown, all in one transaction, each with one opening movement.
 *
 * @param rows - a page of them; no user_id twice
 * @returns what became of each, in order
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function importUsers(
  _connection: Connection,
  _rows: readonly ImportedUser[],
): Promise<ImportedUserOutcome[]> {
  throw new Error('not yet');
}
