import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Environment } from '../../../../config/env.ts';
import type { ObjectStorage } from '../../../platforms/storage/objectStorage.ts';
import type { IconRequests } from '../../../producers/icons/iconRequests.ts';
import type { BatchFeed } from '../../live/batchFeed.ts';
import type { WorkspaceRouteDependencies } from '../workspace/dependencies.ts';
import type { ImageWaiter } from './imageWaiter.ts';

/** What the icon routes work with. */
export interface IconsRouteDependencies {
  readonly environment: Environment;
  readonly connection: Connection;
  readonly redis: Redis;
  readonly storage: ObjectStorage;
  /** Starts, retries and cancels; it queues what is to be done. */
  readonly requests: IconRequests;
  /** Requests that wait for their image. */
  readonly waiter: ImageWaiter;
  /** The events of batches, for who watches them. */
  readonly feed: BatchFeed;
  /** Where icons are saved. */
  readonly workspace: Pick<WorkspaceRouteDependencies, 'writer' | 'firstContact'>;
}
