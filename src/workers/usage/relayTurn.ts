import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import type { BusinessCalendar } from '../../domain/time/businessCalendar.ts';
import type { ContractFields } from '../../domain/usage/contractFields.ts';
import { groupsNotStored } from '../../models/usage.ts';
import type { UsagePending } from '../../models/usagePending.ts';
import { findRelayEntries, type RelayEntry, removeRelayEntry } from '../../models/usageRelay.ts';
import { type LaneLease, type LaneTrouble, renewLease } from '../../models/usageRelayLanes.ts';
import {
  RELAY_REQUEST_TIMEOUT_MILLISECONDS,
  type RelayOutcome,
  type UsageRelay,
} from '../../platforms/usageRelay.ts';
import { parkRefusedReport } from '../../producers/usage/parkRefusedReport.ts';
import { usageRelayQueue } from '../../queues/usage.ts';
import { backoffDelay } from '../backoff.ts';
import type { Run } from '../handlers.ts';
import { findContractFields } from './findContractFields.ts';

export interface RelayTurnDependencies {
  readonly queue: Queue;
  readonly connection: Connection;
  readonly pending: UsagePending;
  readonly calendar: BusinessCalendar;
  /** How long a report that the other side cannot take is tried again. */
  readonly retryMilliseconds: number;
}

export type TurnEnd =
  /** Nothing is left that may be posted now. */
  | { readonly kind: 'over' }
  /** The turn was long enough; others wait for this worker. */
  | { readonly kind: 'more' }
  /** The next report cannot be posted now. */
  | { readonly kind: 'failed'; readonly trouble: LaneTrouble; readonly delayMilliseconds: number }
  /** Another worker has taken the lane. */
  | { readonly kind: 'lost' };

const MOST_REPORTS = 50;
const LONGEST_TURN_MILLISECONDS = 20_000;
/** A request begins only while the lease outlasts it. */
const LEASE_RESERVE_MILLISECONDS = RELAY_REQUEST_TIMEOUT_MILLISECONDS + 2_000;

/** Posts what a user has waiting, one report after the other, as long as the lane is ours. */
export class RelayTurn {
  readonly #dependencies: RelayTurnDependencies;
  readonly #relay: UsageRelay;
  readonly #run: Run;
  readonly #endBefore = performance.now() + LONGEST_TURN_MILLISECONDS;
  #lease: LaneLease;
  #trouble: LaneTrouble | undefined;

  constructor(dependencies: RelayTurnDependencies, relay: UsageRelay, lease: LaneLease, run: Run) {
    this.#dependencies = dependencies;
    this.#relay = relay;
    this.#lease = lease;
    this.#trouble = lease.trouble;
    this.#run = run;
  }

  /** @throws ServiceUnavailableError when Redis or MongoDB is away, and the reason of the run's signal */
  async take(): Promise<TurnEnd> {
    const { connection, calendar } = this.#dependencies;
    const entries = await this.#entriesInOrder();
    const page = entries.slice(0, MOST_REPORTS);
    const fields = await findContractFields(
      connection,
      calendar,
      page.map((entry) => entry.record_id),
    );
    for (const entry of page) {
      if (performance.now() > this.#endBefore) return { kind: 'more' };
      if (!(await this.#keepLease())) return { kind: 'lost' };
      const outcome = await this.#post(entry, fields.get(entry.record_id));
      const failed = await this.#conclude(entry, outcome);
      if (failed) return failed;
    }
    return { kind: entries.length > page.length ? 'more' : 'over' };
  }

  /**
   * What may be posted now: every report that no older one can precede any more. Redis is asked first: an older report
   * that is not there is in MongoDB already, where the list is read afterwards.
   */
  async #entriesInOrder(): Promise<RelayEntry[]> {
    const { connection, pending } = this.#dependencies;
    const userId = this.#lease.userId;
    const waiting = await groupsNotStored(connection, await pending.ofUser(userId));
    const oldestWaiting = waiting.reduce(
      (oldest, group) => Math.min(oldest, group.oldest_received_at),
      Number.POSITIVE_INFINITY,
    );
    const entries = await findRelayEntries(connection, userId, MOST_REPORTS + 1);
    // Of the same millisecond, the one that waits may have the smaller id.
    return entries.filter((entry) => entry.received_at < oldestWaiting);
  }

  async #keepLease(): Promise<boolean> {
    if (this.#lease.expiresAt - Date.now() > LEASE_RESERVE_MILLISECONDS) return true;
    const renewed = await renewLease(this.#dependencies.connection, this.#lease);
    if (!renewed) return false;
    this.#lease = renewed;
    return true;
  }

  async #post(entry: RelayEntry, fields: ContractFields | undefined): Promise<RelayOutcome> {
    if (!fields) return { kind: 'refused', reason: 'the row or its user is not in the database' };
    return this.#relay.post(fields, String(entry.record_id), this.#run.signal);
  }

  /** @returns the turn's end when the report stays at the head of the lane */
  async #conclude(entry: RelayEntry, outcome: RelayOutcome): Promise<TurnEnd | undefined> {
    switch (outcome.kind) {
      case 'accepted':
        await removeRelayEntry(this.#dependencies.connection, entry.record_id);
        break;
      case 'refused':
        await this.#park(entry, `The other server refused it: ${outcome.reason}`);
        break;
      case 'unavailable': {
        const trouble = this.#worsen(entry);
        if (Date.now() - trouble.since < this.#dependencies.retryMilliseconds) {
          return this.#failed(trouble, outcome);
        }
        await this.#park(entry, `The other server did not take it in time, at last: ${outcome.reason}`);
      }
    }
    this.#trouble = undefined;
    return undefined;
  }

  /** The dead letter comes first: a report that is in neither place would be lost. */
  async #park(entry: RelayEntry, refusal: string): Promise<void> {
    const { queue, connection } = this.#dependencies;
    await parkRefusedReport(queue, entry.record_id, refusal, this.#run.requestIds);
    await removeRelayEntry(connection, entry.record_id);
  }

  #worsen(entry: RelayEntry): LaneTrouble {
    const before = this.#trouble?.recordId === entry.record_id ? this.#trouble : undefined;
    return {
      failures: (before?.failures ?? 0) + 1,
      recordId: entry.record_id,
      since: before?.since ?? Date.now(),
    };
  }

  #failed(trouble: LaneTrouble, outcome: RelayOutcome & { kind: 'unavailable' }): TurnEnd {
    const delay = backoffDelay(usageRelayQueue.jobs['relay-user'].backoff, trouble.failures);
    const delayMilliseconds = Math.max(delay, outcome.retryAfterMilliseconds ?? 0);
    this.#run.logger.warn(
      {
        user_id: this.#lease.userId,
        record_id: trouble.recordId,
        failures: trouble.failures,
        delayMilliseconds,
      },
      `The relay's other server does not take reports: ${outcome.reason}`,
    );
    return { kind: 'failed', trouble, delayMilliseconds };
  }
}
