import { mayReportUsage } from '../../../domain/users/seller.ts';
import type { User } from '../../../domain/users/user.ts';
import type { UserDirectory } from '../../../producers/usage/userDirectory.ts';
import { NotFoundError } from '../../errors.ts';

/** The contract's one answer for a user who is unknown, not a seller, or not active. */
export const NOT_A_SELLER = 'User not found or not a seller';

/**
 * The active seller of that name.
 *
 * @throws NotFoundError in the contract's words
 */
export async function requireSeller(users: UserDirectory, userName: string): Promise<User> {
  const user = await users.find(userName);
  if (!user || !mayReportUsage(user)) throw new NotFoundError(NOT_A_SELLER);
  return user;
}
