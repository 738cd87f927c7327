import { mayReportUsage } from './seller.ts';
import type { User } from './user.ts';

/** Spelling that ignores case, as the first server's database compared names. */
export function foldUserName(userName: string): string {
  return userName.normalize('NFC').toLowerCase();
}

/** Whom a name means: its exact owner, else the eldest of those that differ in case only, active sellers first. */
export function chooseUser(userName: string, candidates: readonly User[]): User | undefined {
  const exact = candidates.find((user) => user.user_name === userName);
  if (exact) return exact;
  const folded = foldUserName(userName);
  const similar = candidates.filter((user) => foldUserName(user.user_name) === folded);
  return similar.find(mayReportUsage) ?? similar[0];
}
