import { randomInt } from 'node:crypto';
import type { ClientSession, Connection } from 'mongoose';
import { ACTIVE_STATUSES } from '../domain/icons/batch.ts';
import { batches, stats } from './iconDocuments.ts';
import { iconFiles } from './iconGenerationDocuments.ts';

const SHARDS = 16;

/** Of all icons and everybody. */
export interface IconStats {
  /** Images that were made, not those that came out of the cache. */
  readonly total_generated: number;
  /** Images that failed, counted again when they fail again after a retry. */
  readonly total_failed: number;
  readonly total_batches: number;
  /** Of those that were made. */
  readonly generation_milliseconds_sum: number;
  /** When the last one was made; milliseconds since 1970 UTC. */
  readonly last_generation: number | null;
  readonly cached_icons: number;
  /** Folders that have an icon. */
  readonly categories_covered: number;
  /** Batches that are pending or running. */
  readonly active_batches: number;
  /** Batches that are still kept. */
  readonly kept_batches: number;
}

/** What is to be added to the sums. */
export interface StatsIncrease {
  readonly batches?: number;
  readonly failed?: number;
  /** Images that were made, with the time that they took together. */
  readonly generated?: { readonly images: number; readonly milliseconds: number; readonly at: Date };
}

export async function countInStats(
  connection: Connection,
  { batches: added = 0, failed = 0, generated }: StatsIncrease,
  session: ClientSession,
): Promise<void> {
  if (added === 0 && failed === 0 && !generated) return;
  await stats(connection).updateOne(
    { _id: randomInt(SHARDS) },
    {
      $inc: {
        batches: added,
        failed,
        generated: generated?.images ?? 0,
        generation_milliseconds: generated?.milliseconds ?? 0,
      },
      ...(generated ? { $max: { last_generation: generated.at } } : {}),
    },
    { upsert: true, session },
  );
}

export async function readStats(connection: Connection): Promise<IconStats> {
  const shards = await stats(connection).find().toArray();
  const sum = (field: 'generated' | 'failed' | 'batches' | 'generation_milliseconds') =>
    shards.reduce((total, shard) => total + shard[field], 0);
  const times = shards.flatMap((shard) => shard.last_generation?.getTime() ?? []);
  return {
    total_generated: sum('generated'),
    total_failed: sum('failed'),
    total_batches: sum('batches'),
    generation_milliseconds_sum: sum('generation_milliseconds'),
    last_generation: times.length > 0 ? Math.max(...times) : null,
    cached_icons: await iconFiles(connection).estimatedDocumentCount(),
    categories_covered: await countFolders(connection),
    active_batches: await batches(connection).countDocuments({ status: { $in: ACTIVE_STATUSES } }),
    kept_batches: await batches(connection).estimatedDocumentCount(),
  };
}

async function countFolders(connection: Connection): Promise<number> {
  const [counted] = await iconFiles(connection)
    .aggregate<{ folders: number }>([
      { $sort: { folder: 1 } },
      { $group: { _id: '$folder' } },
      { $count: 'folders' },
    ])
    .toArray();
  return counted?.folders ?? 0;
}
