import type { AccountKind } from './account.ts';

const LONGEST_PASSWORD = 200;
/** The commerce contract takes any password for a new client company. */
const SHORTEST_PASSWORD: Record<AccountKind, number> = { person: 8, company: 1, edge: 8, superadmin: 8 };

/** What keeps a text from being the new password of an account; nothing when it may be one. */
export function passwordProblem(password: string, kind: AccountKind): string | undefined {
  const length = [...password].length;
  const shortest = SHORTEST_PASSWORD[kind];
  if (length < shortest || length > LONGEST_PASSWORD) {
    return `A password has ${shortest} to ${LONGEST_PASSWORD} characters`;
  }
  return undefined;
}
