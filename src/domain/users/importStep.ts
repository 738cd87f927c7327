import type { User } from './user.ts';

/** What becomes of one user of an import. */
export type ImportStep =
  | { readonly kind: 'add'; readonly user: User }
  | { readonly kind: 'unchanged'; readonly user: User }
  | { readonly kind: 'update'; readonly user: User; readonly before: User }
  | { readonly kind: 'conflict'; readonly user: User; readonly reason: string };

/**
 * Compares users of an import with those who are known. Ids and names stay with each other for ever: only roles and
 * status can change.
 *
 * @param users - no id and no name twice
 * @param known - everybody who has one of their ids or names
 * @returns a step for each user, in order
 */
export function planImport(users: readonly User[], known: readonly User[]): ImportStep[] {
  const byId = new Map(known.map((user) => [user.user_id, user]));
  const byName = new Map(known.map((user) => [user.user_name, user]));
  return users.map((user): ImportStep => {
    const sameId = byId.get(user.user_id);
    const sameName = byName.get(user.user_name);
    if (sameId && sameId.user_name !== user.user_name) {
      return conflict(user, `user_id ${user.user_id} belongs to ${JSON.stringify(sameId.user_name)}`);
    }
    if (sameName && sameName.user_id !== user.user_id) {
      return conflict(user, `${JSON.stringify(user.user_name)} has user_id ${sameName.user_id} already`);
    }
    if (!sameId) return { kind: 'add', user };
    const same = sameId.roles === user.roles && sameId.status === user.status;
    return same ? { kind: 'unchanged', user } : { kind: 'update', user, before: sameId };
  });
}

function conflict(user: User, reason: string): ImportStep {
  return { kind: 'conflict', user, reason };
}
