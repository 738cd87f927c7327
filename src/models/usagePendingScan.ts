import type { Redis } from 'ioredis';
import type { PendingGroup } from '../domain/usage/pending.ts';
import type { UsageEvent } from '../domain/usage/report.ts';
import { withRedis } from '../runtime/outage.ts';
import {
  decodeClaim,
  decodeGroupMember,
  decodeRangeMember,
  groupMember,
  pendingKeys,
  type RecordRange,
} from './usagePending.ts';

const PAGE = 500;

/** A run of records as it stands in Redis. */
export interface ScannedRange extends RecordRange {
  readonly member: string;
}

/**
 * Looks through everything that `UsagePending` keeps, page by page, for the sweep. What stands there from the beginning
 * to the end of a scan is seen at least once.
 */
export class UsagePendingScan {
  readonly #redis: Redis;
  readonly #keys: ReturnType<typeof pendingKeys>;

  /** @param prefix - of the usage queue's keys */
  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#keys = pendingKeys(prefix);
  }

  /** Pages of the runs of records. */
  async *ranges(): AsyncGenerator<ScannedRange[]> {
    for await (const members of this.#members(this.#keys.ranges)) {
      yield members.map((member) => ({ member, ...decodeRangeMember(member) }));
    }
  }

  /** Pages of the groups that are sorted in. */
  async *groups(): AsyncGenerator<PendingGroup[]> {
    for await (const members of this.#members(this.#keys.groups)) yield members.map(decodeGroupMember);
  }

  /** Pages of the events that hold claims. */
  async *claims(): AsyncGenerator<UsageEvent[]> {
    let cursor = '0';
    do {
      const at = cursor;
      const [next, fields] = await withRedis(() => this.#redis.hscan(this.#keys.claims, at, 'COUNT', PAGE));
      yield fields.filter((_, index) => index % 2 === 1).map(decodeClaim);
      cursor = next;
    } while (cursor !== '0');
  }

  /** Those of the runs that have not been settled meanwhile. */
  async rangesLeft(ranges: readonly ScannedRange[]): Promise<ScannedRange[]> {
    const left = await this.#left(
      this.#keys.ranges,
      ranges.map((range) => range.member),
    );
    return ranges.filter((_, index) => left[index]);
  }

  /** Those of the groups that have not been settled meanwhile. */
  async groupsLeft(groups: readonly PendingGroup[]): Promise<PendingGroup[]> {
    const left = await this.#left(this.#keys.groups, groups.map(groupMember));
    return groups.filter((_, index) => left[index]);
  }

  async *#members(key: string): AsyncGenerator<string[]> {
    let cursor = '0';
    do {
      const at = cursor;
      const [next, pairs] = await withRedis(() => this.#redis.zscan(key, at, 'COUNT', PAGE));
      yield pairs.filter((_, index) => index % 2 === 0);
      cursor = next;
    } while (cursor !== '0');
  }

  async #left(key: string, members: readonly string[]): Promise<boolean[]> {
    if (members.length === 0) return [];
    const scores = await withRedis(() => this.#redis.zmscore(key, ...members));
    return scores.map((score) => score !== null);
  }
}
