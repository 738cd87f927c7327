import { toNumber } from '../bson/numbers.ts';
import { type Document, isDocument, isNumeric, type Value } from '../bson/values.ts';
import { MongoServerError, notSupported } from '../errors.ts';
import type { Collation } from '../query/collation.ts';
import { findMatches, type Match } from '../query/find.ts';
import type { ReadView } from '../store/record.ts';
import type { Store } from '../store/store.ts';
import type { Transaction } from '../transactions/transaction.ts';
import type { Variables } from './expression.ts';
import { type Stage, stageCompilers } from './stages/stages.ts';

export interface PipelineContext {
  readonly store: Store;
  readonly database: string;
  readonly view: ReadView;
  readonly transaction: Transaction | null;
  readonly collation: Collation | null;
  readonly variables: Variables | null;
}

const knownElsewhere = new Set([
  '$changeStream',
  '$changeStreamSplitLargeEvent',
  '$collStats',
  '$currentOp',
  '$densify',
  '$fill',
  '$geoNear',
  '$indexStats',
  '$listLocalSessions',
  '$listSampledQueries',
  '$listSearchIndexes',
  '$listSessions',
  '$planCacheStats',
  '$search',
  '$searchMeta',
  '$shardedDataDistribution',
  '$vectorSearch',
]);

/** @throws MongoServerError 40324 for an unknown stage, CommandNotSupported for one this server lacks */
export function compilePipeline(stages: readonly Value[], context: PipelineContext): Stage[] {
  return stages.map((stage, position) => {
    const entries = isDocument(stage) ? Object.entries(stage) : [];
    const [[name, specification] = []] = entries;
    if (name === undefined || specification === undefined || entries.length !== 1) {
      throw new MongoServerError(
        'Location40323',
        'A pipeline stage specification object must contain exactly one field.',
      );
    }
    const compiler = Object.hasOwn(stageCompilers, name) ? stageCompilers[name] : undefined;
    if (compiler === undefined) {
      if (knownElsewhere.has(name)) throw notSupported(`the aggregation stage ${name}`);
      throw new MongoServerError('UnknownStage', `Unrecognized pipeline stage name: '${name}'`);
    }
    if ((name === '$out' || name === '$merge') && position < stages.length - 1)
      throw new MongoServerError('Location40601', `${name} can only be the final stage in the pipeline`);
    return compiler(specification, context);
  });
}

/** Runs stages over documents; nothing is computed before it is asked for. */
export function runStages(stages: readonly Stage[], documents: Iterable<Document>): Iterable<Document> {
  return stages.reduce<Iterable<Document>>((current, stage) => stage(current), documents);
}

/** Runs a pipeline on a collection. Leading $match, $sort and $limit stages become a query that can use an index. */
export function runPipeline(
  stages: readonly Value[],
  collection: string | null,
  context: PipelineContext,
  hint?: Value,
): Iterable<Document> {
  const rest = [...stages];
  // every stage is checked, also those that become part of the query
  const compiled = compilePipeline(rest, context);
  if (collection === null) return runStages(compiled, []);
  const { used, filter, sort, limit } = leadingQuery(rest);
  const source = context.store.collection(context.database, collection);
  if (source === undefined) return runStages(compiled.slice(used), []);
  const { collation, variables, view } = context;
  const matches = findMatches(source, { filter, sort, limit, collation, variables, hint }, view);
  return runStages(compiled.slice(used), documentsOf(matches));
}

/** One after the other: all of them parsed at once can be more than the heap holds. */
function* documentsOf(matches: readonly Match[]): Generator<Document> {
  for (const { version } of matches) yield version.document;
}

function leadingQuery(stages: readonly Value[]): {
  used: number;
  filter: Document;
  sort: Document | undefined;
  limit: number;
} {
  let used = 0;
  const filters: Document[] = [];
  for (; used < stages.length; used++) {
    const filter = stageOf(stages[used], '$match');
    if (!isDocument(filter)) break;
    filters.push(filter);
  }
  const [only = {}] = filters;
  const filter = filters.length > 1 ? { $and: filters } : only;
  const sort = stageOf(stages[used], '$sort');
  if (isDocument(sort)) used++;
  const limit = stageOf(stages[used], '$limit');
  const count = isNumeric(limit) ? toNumber(limit) : 0;
  if (count > 0) used++;
  return { used, filter, sort: isDocument(sort) ? sort : undefined, limit: count };
}

function stageOf(stage: Value | undefined, name: string): Value | undefined {
  return isDocument(stage) ? stage[name] : undefined;
}
