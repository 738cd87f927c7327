import type { Account } from '../../src/domain/accounts/account.ts';

/**
 * An account by the names that the API gives its fields; what it has not is left out.
 *
 * @param password - when it has just been generated
 */
export function asJson({ account_id: id, token_version: _, ...account }: Account, password?: string): string {
  return JSON.stringify({ id, ...account, ...(password === undefined ? {} : { password }) });
}

/** Lines of a table; what may be long comes last. */
export function asTable(accounts: readonly Account[]): string {
  const rows = [
    ['id', 'kind', 'status', 'roles', 'login'],
    ...accounts.map((account) => [
      account.account_id,
      account.kind,
      account.status,
      account.roles.join(',') || '-',
      account.email ?? account.username ?? '-',
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
