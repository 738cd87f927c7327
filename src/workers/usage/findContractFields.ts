import type { Connection } from 'mongoose';
import type { BusinessCalendar } from '../../domain/time/businessCalendar.ts';
import { type ContractFields, contractFields } from '../../domain/usage/contractFields.ts';
import { findRecords } from '../../models/usage.ts';
import { findUsersById } from '../../models/users.ts';

/** Stored reports in the words of the contract, by record id. One whose row or user is not there is left out. */
export async function findContractFields(
  connection: Connection,
  calendar: BusinessCalendar,
  recordIds: readonly number[],
): Promise<Map<number, ContractFields>> {
  const events = await findRecords(connection, recordIds);
  const users = await findUsersById(
    connection,
    events.map((event) => event.user_id),
  );
  const names = new Map(users.map((user) => [user.user_id, user.user_name]));
  return new Map(
    events.flatMap((event) => {
      const name = names.get(event.user_id);
      return name === undefined ? [] : [[event.record_id, contractFields(event, name, calendar)] as const];
    }),
  );
}
