import type { Connection } from 'mongoose';
import type { BusinessCalendar } from '../../domain/time/businessCalendar.ts';
import type { UsageRelay } from '../../platforms/usageRelay.ts';
import type { usageRelayQueue } from '../../queues/usage.ts';
import type { Handlers } from '../handlers.ts';
import { done, type Outcome } from '../outcome.ts';
import { findContractFields } from './findContractFields.ts';

export interface RelayRefusedReportDependencies {
  readonly connection: Connection;
  readonly calendar: BusinessCalendar;
  /** Absent while no other server is configured. */
  readonly relay: UsageRelay | undefined;
}

/**
 * Holds a report that the relay could not post. The first run makes the dead letter; a run after that is an operator's
 * retry and posts the report, out of its order.
 */
export function createRelayRefusedReport(
  dependencies: RelayRefusedReportDependencies,
): Handlers<typeof usageRelayQueue>['relay-refused-report'] {
  const { connection, calendar, relay } = dependencies;

  return async ({ record_id: recordId, refusal }, run): Promise<Outcome> => {
    if (run.attempt === 1) return { kind: 'dead', reason: refusal };
    if (!relay) return { kind: 'dead', reason: `The relay is off (USAGE_RELAY_URL is not set). ${refusal}` };
    const fields = (await findContractFields(connection, calendar, [recordId])).get(recordId);
    if (!fields) return { kind: 'dead', reason: 'The row or its user is not in the database' };
    const outcome = await relay.post(fields, String(recordId), run.signal);
    if (outcome.kind === 'accepted') return done;
    return { kind: 'dead', reason: `Posted again, and not taken: ${outcome.reason}` };
  };
}
