import type { UsageEvent } from './report.ts';

/**
 * What makes two submissions the same event: the sender's own id within its user, or the record that a counter entry
 * takes back. Unique among the stored rows, for ever. A report without an id of its own is always a new event.
 */
export function eventKey(event: Pick<UsageEvent, 'user_id' | 'event_id' | 'voids'>): string | undefined {
  if (event.voids !== undefined) return `${event.user_id}:void:${event.voids}`;
  if (event.event_id !== undefined) return `${event.user_id}:event:${event.event_id}`;
  return undefined;
}
