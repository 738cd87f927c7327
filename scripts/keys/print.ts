import { type ApiKey, usability } from '../../src/domain/accounts/apiKey.ts';

/**
 * A key by the names that the API gives its fields.
 *
 * @param text - the key itself, when it has just been made
 */
export function asJson(key: ApiKey, text?: string): string {
  return JSON.stringify({
    key_id: key.key_id,
    ...(text === undefined ? {} : { key: text }),
    name: key.name,
    scopes: key.scopes,
    status: key.status,
    rate_limit_per_minute: key.rate_limit_per_minute,
    created_by: key.created_by,
    created_at: key.created_at,
    expires_at: key.expires_at,
    rotated_at: key.rotated_at,
    previous_secret_until: key.previous[0]?.until ?? null,
    revoked_at: key.revoked_at,
    last_used_at: key.last_used_at,
  });
}

/** Lines of a table; what may be long comes last. */
export function asTable(keys: readonly ApiKey[]): string {
  const rows = [
    ['key_id', 'state', 'expires', 'last used', 'name', 'scopes'],
    ...keys.map((key) => [
      key.key_id,
      usability(key, Date.now()),
      day(key.expires_at),
      day(key.last_used_at),
      key.name,
      key.scopes.join(','),
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function day(date: Date | null): string {
  return date ? date.toISOString().slice(0, 10) : '-';
}
