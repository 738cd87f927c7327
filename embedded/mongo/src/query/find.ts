import type { Variables } from '../aggregation/expression.ts';
import type { Document, Value } from '../bson/values.ts';
import type { Collection } from '../store/collection.ts';
import { isSettled, type ReadView, type StoredRecord, visibleVersion } from '../store/record.ts';
import type { Version } from '../store/version.ts';
import type { Collation } from './collation.ts';
import { compileFilter } from './filter.ts';
import { type Plan, planQuery } from './planner.ts';
import { compileSort, parseSort, sortBy } from './sort.ts';

export interface Query {
  filter: Document;
  sort?: Document | undefined;
  skip?: number;
  /** 0: no limit */
  limit?: number;
  collation?: Collation | null;
  hint?: Value | undefined;
  variables?: Variables | null;
}

export interface Match {
  record: StoredRecord;
  version: Version;
}

/** The documents of a collection that match, as `view` sees them. */
export function findMatches(collection: Collection, query: Query, view: ReadView): Match[] {
  const { filter, skip = 0, limit = 0, collation = null, variables = null } = query;
  const sort = parseSort(query.sort);
  const plan = planQuery(collection, { filter, sort, collation, hint: query.hint });
  const isExact = plan.kind === 'ids' && plan.exact;
  const predicate =
    isExact || Object.keys(filter).length === 0
      ? null
      : compileFilter(filter, { collation, ...(variables === null ? {} : { variables }) });
  const isSorted = sort.length === 0 || plan.providesSort;
  const enough = isSorted && limit > 0 ? skip + limit : Number.POSITIVE_INFINITY;
  const matches: Match[] = [];
  for (const match of candidates(collection, plan, view)) {
    if (predicate !== null && !predicate(match.version.document)) continue;
    matches.push(match);
    if (matches.length >= enough) break;
  }
  if (!isSorted) sortBy(matches, compileSort(sort, collation), ({ version }) => version.document);
  return skip > 0 || limit > 0 ? matches.slice(skip, limit > 0 ? skip + limit : undefined) : matches;
}

function* candidates(collection: Collection, plan: Plan, view: ReadView): Generator<Match> {
  switch (plan.kind) {
    case 'ids':
      for (const key of plan.keys) {
        const record = collection.record(key);
        const version = record === undefined ? null : visibleVersion(record, view);
        if (record !== undefined && version !== null) yield { record, version };
      }
      return;
    case 'idOrder':
      yield* visible(collection.recordsById(plan.range.low, plan.range.high, plan.reversed), view);
      return;
    case 'index':
      yield* indexCandidates(plan, view);
      return;
    case 'collection':
      yield* visible(plan.reversed ? [...collection.allRecords()].reverse() : collection.allRecords(), view);
  }
}

function* visible(records: Iterable<StoredRecord>, view: ReadView): Generator<Match> {
  for (const record of records) {
    const version = visibleVersion(record, view);
    if (version !== null) yield { record, version };
  }
}

function* indexCandidates(
  { index, ranges, reversed }: Extract<Plan, { kind: 'index' }>,
  view: ReadView,
): Generator<Match> {
  const seen = index.isMultikey ? new Set<StoredRecord>() : null;
  for (const { low, high } of ranges) {
    for (const [key, record] of index.scan(low, high, reversed)) {
      const version = visibleVersion(record, view);
      if (version === null || seen?.has(record)) continue;
      // the index holds the keys of every version that someone sees: this one must be of the version seen here
      if (!isSettled(record) && !index.keysOf(version.document).includes(key)) continue;
      seen?.add(record);
      yield { record, version };
    }
  }
}
