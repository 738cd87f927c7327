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
import { inOnePacket } from '../runtime/redisPacket.ts';
import { RedisScript } from '../runtime/redisScript.ts';

/** Repeats queue a record again, each time as a run of its own among those that begin before it. */
const MOST_RANGES_LOOKED_AT = 1_000;

/** Events that share a job of the queue. */
export interface TrackedJob {
  readonly jobId: string;
  readonly events: readonly UsageEvent[];
}

/** What a script with `TRACKING_FUNCTIONS` is given. */
export interface Tracking {
  /** The script's first three. */
  readonly keys: readonly string[];
  /** Second argument of `trackGroups`, for each job. */
  readonly groupsOfJobs: readonly string[];
  /** Arguments of `trackRanges`. */
  readonly ranges: readonly string[];
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
  /** The usage queue is on it too: a script adds to both. */
  readonly redis: Redis;
  readonly #calendar: BusinessCalendar;
  /** Sorted by its text, `user:representative:sums`, so that one user's groups lie side by side. */
  readonly #groups: string;
  /** Runs of consecutive record ids, `first-last@job`, by their first id. */
  readonly #ranges: string;
  /** Groups that nobody has asked for yet: job to lines of its groups. */
  readonly #unsorted: string;
  /** Event key to the event that was first to use it. */
  readonly #claims: string;

  /** @param prefix - of the usage queue's keys; all keys share its hash tag */
  constructor(redis: Redis, prefix: string, calendar: BusinessCalendar) {
    this.redis = redis;
    this.#calendar = calendar;
    const keys = pendingKeys(prefix);
    this.#groups = keys.groups;
    this.#ranges = keys.ranges;
    this.#unsorted = keys.unsorted;
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
   * The keys and arguments of `TRACKING_FUNCTIONS` that make the jobs' events known.
   *
   * @param replaced - is forgotten at the same moment, so that nobody sees neither or both
   */
  tracking(jobs: readonly TrackedJob[], replaced: PendingEntries): Tracking {
    return {
      keys: this.#keys,
      groupsOfJobs: jobs.map((job) => linesOf(this.#groupMembers(job.events))),
      ranges: [
        linesOf(replaced.groups.map(groupMember)),
        linesOf(replaced.ranges),
        linesOf(jobs.flatMap(rangeMembers)),
      ],
    };
  }

  /** Forgets the jobs' events, which are stored by now. Claims that belong to other records stay. */
  async settle(jobs: readonly TrackedJob[]): Promise<void> {
    const ranges = jobs.flatMap(rangeMembers);
    const claims = jobs.flatMap((job) => claimArguments(job.events));
    const [unsorted] = await withRedis(() =>
      Promise.all(
        inOnePacket(this.redis, () => [
          this.redis.hdel(this.#unsorted, ...jobs.map((job) => job.jobId)),
          this.redis.zrem(this.#ranges, ...ranges),
          ...(claims.length > 0 ? [this.redis.eval(RELEASE_CLAIMS, 1, this.#claims, ...claims)] : []),
        ]),
      ),
    );
    if (unsorted === jobs.length) return;
    const groups = jobs.flatMap((job) => this.#groupMembers(job.events));
    await withRedis(() => this.redis.zrem(this.#groups, ...groups));
  }

  /** What waits for one user. Read it before the totals in MongoDB, and leave out the groups that are stored there. */
  ofUser(userId: number): Promise<PendingGroup[]> {
    // ';' follows ':' in ASCII, so the range ends behind the last group of this user.
    return this.#read(`[${userId}:`, `(${userId};`, `${userId}:`);
  }

  /** What waits for everybody. */
  ofEverybody(): Promise<PendingGroup[]> {
    return this.#read('-', '+', '');
  }

  /** In one moment: a group that is moved meanwhile is seen where it was or where it is. */
  async #read(first: string, last: string, beginning: string): Promise<PendingGroup[]> {
    const members = await this.#untilFewAreUnsorted(async (jobs) => {
      const answer: unknown = await READ.run(this.redis, this.#keys, [jobs, first, last, beginning]);
      return Array.isArray(answer) ? answer : undefined;
    });
    // A report that was queued again with another job has the same member twice.
    return [...new Set(members)].map((member) => decodeGroupMember(String(member)));
  }

  /** Puts all groups into their places, for who goes through them page by page. */
  async sortIn(): Promise<void> {
    await this.#untilFewAreUnsorted(async (jobs) =>
      (await SORT_IN.run(this.redis, this.#keys, [jobs])) === 0 ? true : undefined,
    );
  }

  /** Others may add as fast as a round sorts in, so each takes more jobs, in the end all that may be unsorted. */
  async #untilFewAreUnsorted<T>(round: (jobs: number) => Promise<T | undefined>): Promise<T> {
    for (let jobs = FEW_JOBS; ; jobs += FEW_JOBS) {
      const done = await withRedis(() => round(jobs));
      if (done !== undefined) return done;
    }
  }

  /** The jobs that may hold a record which is not stored yet: its own, and those of its repeats. */
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

  get #keys(): readonly string[] {
    return [this.#groups, this.#ranges, this.#unsorted];
  }

  #groupMembers(events: readonly UsageEvent[]): string[] {
    return groupPending(events, this.#calendar).map(groupMember);
  }
}

/** Names of the keys below the usage queue's prefix. */
export function pendingKeys(prefix: string) {
  return {
    groups: `${prefix}:pending-groups`,
    ranges: `${prefix}:pending-records`,
    unsorted: `${prefix}:pending-unsorted`,
    claims: `${prefix}:event-claims`,
  };
}

/** What the first who asks after an outage of the workers waits for: a hundred thousand groups take a third of a second. */
const MOST_UNSORTED_JOBS = 4_000;
/** Are looked through where they are. Sorting in as many takes Redis up to ten milliseconds, during which it does nothing else. */
const FEW_JOBS = 50;

/**
 * Lua functions that keep account of what is pending. KEYS begin with the groups, the ranges and the unsorted groups. Members
 * come as lines of one argument: they hold no line breaks, and a hundred arguments cost more than the rest of the command.
 *
 * `trackGroups(job, groups)` puts a job's groups down as they are, which costs a tenth of sorting each into its place.
 * `trackRanges(forgottenGroups, forgottenRanges, ranges)` does the rest, once for all jobs, and returns the number of runs.
 * `sortIn(jobs)` does for at most so many jobs what `trackGroups` has left, and returns for how many it is left to do.
 */
export const TRACKING_FUNCTIONS = `
local groups, ranges, unsorted = KEYS[1], KEYS[2], KEYS[3]
local function eachLine(text, act) for line in string.gmatch(text, '[^\\n]+') do act(line) end end
local function sortIn(jobs)
  local taken = redis.call('HRANDFIELD', unsorted, jobs, 'WITHVALUES')
  for at = 1, #taken, 2 do
    -- First, because Redis takes this even when its memory is full, and what has begun to write it lets end.
    redis.call('HDEL', unsorted, taken[at])
    eachLine(taken[at + 1], function(group) redis.call('ZADD', groups, 0, group) end)
  end
  return redis.call('HLEN', unsorted)
end
local function trackGroups(job, jobGroups)
  redis.call('HSET', unsorted, job, jobGroups)
  if redis.call('HLEN', unsorted) > ${MOST_UNSORTED_JOBS} then sortIn(1) end
end
local function trackRanges(forgottenGroups, forgottenRanges, added)
  eachLine(forgottenGroups, function(group) redis.call('ZREM', groups, group) end)
  eachLine(forgottenRanges, function(range) redis.call('ZREM', ranges, range) end)
  eachLine(added, function(range) redis.call('ZADD', ranges, string.match(range, '^%d+'), range) end)
  return redis.call('ZCARD', ranges)
end`;

const SORT_IN = new RedisScript(`${TRACKING_FUNCTIONS}
return sortIn(tonumber(ARGV[1]))`);

/**
 * Answers with the groups between two bounds, also with those that are unsorted and begin so; or, while too many are unsorted,
 * only with how many. Where few are it writes nothing, so that whoever asks does not wait for the disk.
 */
const READ = new RedisScript(`${TRACKING_FUNCTIONS}
local left = redis.call('HLEN', unsorted)
if left > ${FEW_JOBS} then left = sortIn(tonumber(ARGV[1])) end
if left > ${FEW_JOBS} then return left end
local found = redis.call('ZRANGEBYLEX', groups, ARGV[2], ARGV[3])
local beginning = ARGV[4]
for _, jobGroups in ipairs(redis.call('HVALS', unsorted)) do
  eachLine(jobGroups, function(group)
    if string.sub(group, 1, #beginning) == beginning then found[#found + 1] = group end
  end)
end
return found`);

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
