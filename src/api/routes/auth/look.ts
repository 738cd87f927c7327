import type { LoginAttempt } from '../../limits/loginThrottle.ts';

/**
 * Looks at the password of an attempt. One that was not answered, because a store is away or too many wait, tells nobody
 * anything, and locks nobody out.
 */
export async function look<T>(attempt: LoginAttempt, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    await attempt.unanswered();
    throw error;
  }
}
