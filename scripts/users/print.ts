import type { User } from '../../src/domain/users/user.ts';

/** The fields of a user by the names that the contract and the import give them. */
export function asJson({ user_name, user_id, roles, status }: User): string {
  return JSON.stringify({ userName: user_name, user_id, roles, status });
}

/** Lines of a table; the name comes last, because it may be long or wide. */
export function asTable(users: readonly User[]): string {
  const rows = [
    ['user_id', 'roles', 'status', 'userName'],
    ...users.map((user) => [String(user.user_id), String(user.roles), String(user.status), user.user_name]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column < widths.length ? cell.padStart(widths[column] ?? 0) : cell))
        .join('  '),
    )
    .join('\n');
}
