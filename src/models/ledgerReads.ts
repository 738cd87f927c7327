import type { Connection } from 'mongoose';
import type { Balance, Hold, HoldStatus, Movement } from '../domain/credits/ledger.ts';

export interface LedgerUser extends Balance {
  readonly username: string;
  readonly email: string;
  readonly low_threshold: number | null;
  /** Milliseconds since 1970 UTC. */
  readonly created_at: number;
}

/** Balances of the known ones among the users, all at one moment. What has lapsed is taken off already. */
export async function findBalances(_connection: Connection, _userIds: readonly string[]): Promise<Balance[]> {
  throw new Error('not yet');
}

export async function findLedgerUser(
  _connection: Connection,
  _userId: string,
): Promise<LedgerUser | undefined> {
  throw new Error('not yet');
}

/**
 * What the user could spend at that time (milliseconds); 0 before the user was there.
 *
 * @returns undefined for an unknown user
 */
export async function balanceAt(
  _connection: Connection,
  _userId: string,
  _at: number,
): Promise<number | undefined> {
  throw new Error('not yet');
}

export interface MovementQuery {
  readonly user_id: string;
  /** Without holds and releases, as the contract lists them; by default all. */
  readonly listed?: 'contract' | 'all' | undefined;
  /** Only those older than this movement: the last one of the page before. */
  readonly before?: string | undefined;
  /** Only those at this time or later, in milliseconds. */
  readonly from?: number | undefined;
  /** Only those earlier than this time, in milliseconds. */
  readonly to?: number | undefined;
  readonly limit: number;
}

/** A user's movements, newest first. */
export async function listMovements(_connection: Connection, _query: MovementQuery): Promise<Movement[]> {
  throw new Error('not yet');
}

export async function findMovement(
  _connection: Connection,
  _movementId: string,
): Promise<Movement | undefined> {
  throw new Error('not yet');
}

export async function findHold(_connection: Connection, _holdId: string): Promise<Hold | undefined> {
  throw new Error('not yet');
}

export interface HoldQuery {
  readonly user_id: string;
  readonly status?: HoldStatus | undefined;
  /** Only those older than this one: the last one of the page before. */
  readonly before?: Pick<Hold, 'created_at' | 'hold_id'> | undefined;
  readonly limit: number;
}

/** A user's holds, newest first. */
export async function listHolds(_connection: Connection, _query: HoldQuery): Promise<Hold[]> {
  throw new Error('not yet');
}
