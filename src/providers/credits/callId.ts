import { createHash } from 'node:crypto';

/** An id that is the same for every repeat of a call: of 128 bits, in hexadecimal digits. */
export function callId(call: 'reserve' | 'capture' | 'release', reference: string): string {
  return createHash('sha256').update(`${call}\0${reference}`).digest('hex').slice(0, 32);
}
