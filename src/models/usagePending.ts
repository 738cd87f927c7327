import type { Redis } from 'ioredis';
import type { BusinessCalendar } from '../domain/time/businessCalendar.ts';
import { eventKey } from '../domain/usage/eventKey.ts';
import {
  decodePendingGroup,
  encodePendingGroup,
  groupPending,
  type PendingGroup,
} from '../domain/usage/pending.ts';
import type { UsageEvent } from '../domain/usage/report.ts';
import { LARGEST_USAGE_JOB, usageEventSchema } from '../queues/usage.ts';
import { ServiceUnavailableError, withRedis } from '../runtime/outage.ts';
import { inOnePacket } from '../runtime/redisTransaction.ts';

/** Repeats queue a record again, each time as a run of its own among those that begin before it. */
const MOST_RANGES_LOOKED_AT = 1_000;

/** Events that share a job of the queue. */
export interface TrackedJob {
  readonly jobId: string;
  readonly events: readonly UsageEvent[];
}

/** Runs of records, as they stand in Redis, and groups. */
export interface PendingEntries {
  readonly ranges: readonly string[];
  readonly groups: readonly PendingGroup[];
}

/**
 * What is known in Redis about accepted events that are not in MongoDB yet, so that totals count them, records are
 * found, and a repeated event id is recognised. It stands beside the queue and may only ever say too much: an entry is
 * written with its job and taken away after the row is stored, and whoever reads it leaves out what is stored already.
 */
export class UsagePending {
  /** The usage queue is on it too: transactions span both. */
  readonly redis: Redis;
  readonly #calendar: BusinessCalendar;
  /** Sorted by its text, `user:representative:sums`, so that one user's groups lie side by side. */
  readonly #groups: string;
  /** Runs of consecutive record ids, `first-last@job`, by their first id. */
  readonly #ranges: string;
  /** Event key to the event that was first to use it. */
  readonly #claims: string;

  /** @param prefix - of the usage queue's keys; all keys share its hash tag */
  constructor(redis: Redis, prefix: string, calendar: BusinessCalendar) {
    this.redis = redis;
    this.#calendar = calendar;
    const keys = pendingKeys(prefix);
    this.#groups = keys.groups;
    this.#ranges = keys.ranges;
    this.#claims = keys.claims;
  }

  /**
   * Refuses before anything is sent: BullMQ waits for a connection that was never there yet, and a report that is queued
   * after its sender was told to come back would be counted twice.
   *
   * @throws ServiceUnavailableError when there is no connection to Redis now
   */
  requireConnection(): void {
    if (this.redis.status !== 'ready') {
      throw new ServiceUnavailableError('Redis is not available; try again in a moment', 2);
    }
  }

  /**
   * Makes the jobs' events known. It is called in the transaction that adds the jobs, behind them, and answers with the number
   * of runs of records that wait in all.
   *
   * @param lastJobKey - of the job that is added last; nothing is made known when it is not there
   * @param replaced - is forgotten at the same moment, so that nobody sees neither or both
   */
  track(jobs: readonly TrackedJob[], lastJobKey: string, replaced: PendingEntries): Promise<unknown> {
    return this.redis.eval(
      TRACK,
      3,
      this.#groups,
      this.#ranges,
      lastJobKey,
      linesOf(replaced.groups.map(groupMember)),
      linesOf(replaced.ranges),
      linesOf(jobs.flatMap((job) => this.#groupMembers(job.events))),
      linesOf(jobs.flatMap(rangeMembers)),
    );
  }

  /** Forgets the jobs' events, which are stored by now. Claims that belong to other records stay. */
  async settle(jobs: readonly TrackedJob[]): Promise<void> {
    const groups = jobs.flatMap((job) => this.#groupMembers(job.events));
    const ranges = jobs.flatMap(rangeMembers);
    const claims = jobs.flatMap((job) => claimArguments(job.events));
    await withRedis(() =>
      Promise.all(
        inOnePacket(this.redis, () => [
          this.redis.zrem(this.#groups, ...groups),
          this.redis.zrem(this.#ranges, ...ranges),
          ...(claims.length > 0 ? [this.redis.eval(RELEASE_CLAIMS, 1, this.#claims, ...claims)] : []),
        ]),
      ),
    );
  }

  /** What waits for one user. Read it before the totals in MongoDB, and leave out the groups that are stored there. */
  async ofUser(userId: number): Promise<PendingGroup[]> {
    // ';' follows ':' in ASCII, so the range ends behind the last group of this user.
    const members = await withRedis(() => this.redis.zrangebylex(this.#groups, `[${userId}:`, `(${userId};`));
    return members.map(decodeGroupMember);
  }

  /** What waits for everybody. */
  async ofEverybody(): Promise<PendingGroup[]> {
    const members = await withRedis(() => this.redis.zrange(this.#groups, '0', '-1'));
    return members.map(decodeGroupMember);
  }

  /** The job that may hold a record which is not stored yet. */
  async jobsOfRecord(recordId: number): Promise<string[]> {
    const members = await withRedis(() =>
      this.redis.zrevrangebyscore(
        this.#ranges,
        recordId,
        recordId - LARGEST_USAGE_JOB + 1,
        'LIMIT',
        0,
        MOST_RANGES_LOOKED_AT,
      ),
    );
    return members.flatMap((member) => {
      const range = decodeRangeMember(member);
      return range.last >= recordId ? range.jobId : [];
    });
  }

  /** How many runs of records wait, a bound of the number of waiting jobs. */
  backlog(): Promise<number> {
    return withRedis(() => this.redis.zcard(this.#ranges));
  }

  /**
   * Claims the events' keys, each for the first that asks.
   *
   * @returns for each event the one that holds its key: itself, or the earlier one
   */
  async claim(events: readonly UsageEvent[]): Promise<UsageEvent[]> {
    const fields = events.flatMap((event) => [
      requiredKey(event),
      `${event.record_id}|${JSON.stringify(event)}`,
    ]);
    const holders: unknown = await withRedis(() => this.redis.eval(CLAIM, 1, this.#claims, ...fields));
    if (!Array.isArray(holders)) throw new Error('The claim script did not answer with a list');
    return events.map((event, index) => {
      const holder: unknown = holders[index];
      return typeof holder === 'string' && holder !== '' ? decodeClaim(holder) : event;
    });
  }

  /** The events that hold these keys now, in no order. Keys of stored events are not held any more. */
  async holdersOf(keys: readonly string[]): Promise<UsageEvent[]> {
    const holders = await withRedis(() => this.redis.hmget(this.#claims, ...keys));
    return holders.flatMap((holder) => (holder === null ? [] : decodeClaim(holder)));
  }

  /** Gives up claims that turned out to be of events that are stored already. */
  async release(events: readonly UsageEvent[]): Promise<void> {
    const claims = claimArguments(events);
    if (claims.length > 0) await withRedis(() => this.redis.eval(RELEASE_CLAIMS, 1, this.#claims, ...claims));
  }

  /** What is known of a job, also when its events cannot be read any more. Looks at everything that waits. */
  async entriesOfJob(jobId: string): Promise<PendingEntries> {
    const members = await withRedis(() => this.redis.zrange(this.#ranges, '0', '-1'));
    const ranges = members.filter((member) => decodeRangeMember(member).jobId === jobId);
    const runs = ranges.map(decodeRangeMember);
    const groups = (await this.ofEverybody()).filter((group) =>
      runs.some((run) => run.first <= group.representative && group.representative <= run.last),
    );
    return { ranges, groups };
  }

  /** Forgets runs and groups that are of nobody's concern any more. */
  async forget(entries: PendingEntries): Promise<void> {
    const groups = entries.groups.map(groupMember);
    await withRedis(async () => {
      if (groups.length > 0) await this.redis.zrem(this.#groups, ...groups);
      if (entries.ranges.length > 0) await this.redis.zrem(this.#ranges, ...entries.ranges);
    });
  }

  #groupMembers(events: readonly UsageEvent[]): string[] {
    return groupPending(events, this.#calendar).map(groupMember);
  }
}

/** Names of the keys below the usage queue's prefix. */
export function pendingKeys(prefix: string): { groups: string; ranges: string; claims: string } {
  return {
    groups: `${prefix}:pending-groups`,
    ranges: `${prefix}:pending-records`,
    claims: `${prefix}:event-claims`,
  };
}

/**
 * Makes nothing known when the last job is not there: Redis carries a transaction on when one of its commands fails, and what
 * was refused must not count. It is sent in full each time: by its hash it may be forgotten, and the jobs added without it.
 * Members come as lines of one argument for each set: they hold no line breaks, and a hundred arguments of a command cost more
 * than the rest of it.
 */
const TRACK = `
if redis.call('EXISTS', KEYS[3]) == 0 then return redis.error_reply('ERR The jobs were not added') end
local function eachLine(text, act) for line in string.gmatch(text, '[^\\n]+') do act(line) end end
eachLine(ARGV[1], function(group) redis.call('ZREM', KEYS[1], group) end)
eachLine(ARGV[2], function(range) redis.call('ZREM', KEYS[2], range) end)
eachLine(ARGV[3], function(group) redis.call('ZADD', KEYS[1], 0, group) end)
eachLine(ARGV[4], function(range) redis.call('ZADD', KEYS[2], string.match(range, '^%d+'), range) end)
return redis.call('ZCARD', KEYS[2])`;

function linesOf(members: readonly string[]): string {
  return members.join('\n');
}

/** Gives each key to the first that asks; answers with the holder's text, or an empty one for a fresh claim. */
const CLAIM = `
local holders = {}
for i = 1, #ARGV, 2 do
  local fresh = redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1
  holders[#holders + 1] = fresh and '' or redis.call('HGET', KEYS[1], ARGV[i])
end
return holders`;

/** Takes claims away, but only from the record that holds them. */
const RELEASE_CLAIMS = `
for i = 1, #ARGV, 2 do
  local holder = redis.call('HGET', KEYS[1], ARGV[i])
  if holder and string.match(holder, '^(%d+)|') == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return 1`;

/** Consecutive record ids within one job. */
export interface RecordRange {
  readonly first: number;
  readonly last: number;
  readonly jobId: string;
}

export function groupMember(group: PendingGroup): string {
  return `${group.user_id}:${group.representative}:${encodePendingGroup(group)}`;
}

export function decodeGroupMember(member: string): PendingGroup {
  const userEnd = member.indexOf(':');
  const representativeEnd = member.indexOf(':', userEnd + 1);
  return decodePendingGroup(
    Number(member.slice(0, userEnd)),
    Number(member.slice(userEnd + 1, representativeEnd)),
    member.slice(representativeEnd + 1),
  );
}

function rangeMembers(job: TrackedJob): string[] {
  const ids = job.events.map((event) => event.record_id).sort((left, right) => left - right);
  const runs: { first: number; last: number }[] = [];
  for (const id of ids) {
    const run = runs.at(-1);
    if (run && id <= run.last + 1) run.last = id;
    else runs.push({ first: id, last: id });
  }
  return runs.map((run) => `${run.first}-${run.last}@${job.jobId}`);
}

export function decodeRangeMember(member: string): RecordRange {
  const dash = member.indexOf('-');
  const at = member.indexOf('@');
  return {
    first: Number(member.slice(0, dash)),
    last: Number(member.slice(dash + 1, at)),
    jobId: member.slice(at + 1),
  };
}

function claimArguments(events: readonly UsageEvent[]): string[] {
  return events.flatMap((event) => {
    const key = eventKey(event);
    return key === undefined ? [] : [key, String(event.record_id)];
  });
}

export function decodeClaim(text: string): UsageEvent {
  return usageEventSchema.parse(JSON.parse(text.slice(text.indexOf('|') + 1)));
}

function requiredKey(event: UsageEvent): string {
  const key = eventKey(event);
  if (key === undefined) throw new Error(`Record ${event.record_id} has no event key to claim`);
  return key;
}
