import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import type { BusinessCalendar } from '../../../domain/time/businessCalendar.ts';
import type { UsagePending } from '../../../models/usagePending.ts';
import type { UsageRecorder } from '../../../producers/usage/recordUsage.ts';
import type { UserDirectory } from '../../../producers/usage/userDirectory.ts';
import type { EventLimit } from '../../limits/eventLimit.ts';

/** What the usage routes work with. */
export interface UsageRouteDependencies {
  readonly recorder: UsageRecorder;
  readonly users: UserDirectory;
  readonly pending: UsagePending;
  readonly queue: Queue;
  readonly connection: Connection;
  readonly calendar: BusinessCalendar;
  /** Whether the calendar's zone was found to be that of the stored totals. */
  readonly isZoneKnown: () => boolean;
  readonly eventLimit: EventLimit;
  /** Whether the contract's endpoints are open, as it says, or need a credential. */
  readonly contractAccess: 'open' | 'closed';
}
