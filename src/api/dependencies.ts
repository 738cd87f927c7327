import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Environment } from '../../config/env.ts';
import type { OpenQueues } from '../producers/queues.ts';
import type { AuditTrail } from './audit/auditTrail.ts';

/** What the routes work with. */
export interface ApiDependencies {
  readonly environment: Environment;
  readonly logger: Logger;
  readonly redis: Redis;
  readonly mongo: Connection;
  readonly queues: OpenQueues;
  readonly audit: AuditTrail;
  /** Whether the stored data was found to be what this process can work with. */
  readonly isDataKnown: () => boolean;
}
