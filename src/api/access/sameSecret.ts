import { createHash, timingSafeEqual } from 'node:crypto';

/** Compares two secrets in a time that tells nothing about them. */
export function sameSecret(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

/** Equal lengths, which a comparison in constant time needs. */
export function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
