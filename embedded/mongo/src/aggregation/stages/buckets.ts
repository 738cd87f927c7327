import { compareValues } from '../../bson/compare.ts';
import { toNumber } from '../../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { MongoServerError } from '../../errors.ts';
import { compileExpression } from '../expression.ts';
import { namedArguments } from '../operators/operator.ts';
import type { PipelineContext } from '../pipeline.ts';
import { type CompiledAccumulator, compileAccumulator } from './group.ts';
import type { StageCompiler } from './stages.ts';

type Output = readonly (readonly [field: string, accumulator: CompiledAccumulator])[];

function compileOutput(output: Value | undefined): Output {
  const specification = isDocument(output) ? output : { count: { $sum: 1 } };
  return Object.entries(specification).map(
    ([field, value]) => [field, compileAccumulator(field, value)] as const,
  );
}

function summarize(
  id: Value,
  documents: readonly Document[],
  output: Output,
  { variables }: PipelineContext,
): Document {
  const result: Document = { _id: id };
  for (const [field, { input, create }] of output) {
    const accumulator = create();
    for (const document of documents) accumulator.add(input({ root: document, variables }));
    result[field] = accumulator.result() ?? null;
  }
  return result;
}

const bucket: StageCompiler = (specification, context) => {
  const {
    groupBy,
    boundaries,
    default: fallback,
    output,
  } = namedArguments(specification, '$bucket', ['groupBy', 'boundaries'], ['default', 'output']);
  if (!isArray(boundaries) || boundaries.length < 2)
    throw new MongoServerError('Location40192', "The $bucket 'boundaries' field must have at least 2 values");
  const isAscending = boundaries.every(
    (boundary, index) => index === 0 || compareValues(boundaries[index - 1], boundary) < 0,
  );
  if (!isAscending)
    throw new MongoServerError(
      'Location40194',
      "The 'boundaries' option to $bucket must be sorted in ascending order",
    );
  const value = compileExpression(groupBy ?? null);
  const outputs = compileOutput(output);
  return function* (documents) {
    const buckets = boundaries.slice(0, -1).map((): Document[] => []);
    const others: Document[] = [];
    for (const document of documents) {
      const bucketIndex = bucketOf(value({ root: document, variables: context.variables }), boundaries);
      const target = buckets[bucketIndex] ?? (fallback === undefined ? undefined : others);
      if (target === undefined) {
        throw new MongoServerError(
          'Location40066',
          '$switch could not find a matching branch for an input, and no default was specified. ($bucket: a value lies outside of the boundaries)',
        );
      }
      target.push(document);
    }
    for (const [index, members] of buckets.entries()) {
      if (members.length > 0) yield summarize(boundaries[index] ?? null, members, outputs, context);
    }
    if (others.length > 0) yield summarize(fallback ?? null, others, outputs, context);
  };
};

/** The lower boundary is part of a bucket, the upper one is not. */
function bucketOf(value: Value | undefined, boundaries: readonly Value[]): number {
  if (compareValues(value, boundaries[0]) < 0) return -1;
  return boundaries.findIndex(
    (_lower, index) => index + 1 < boundaries.length && compareValues(value, boundaries[index + 1]) < 0,
  );
}

const bucketAuto: StageCompiler = (specification, context) => {
  const { groupBy, buckets, output } = namedArguments(
    specification,
    '$bucketAuto',
    ['groupBy', 'buckets'],
    ['output'],
  );
  const wanted = isNumeric(buckets) ? toNumber(buckets) : 0;
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new MongoServerError('Location40243', "The $bucketAuto 'buckets' field must be a positive integer");
  const groupValue = compileExpression(groupBy ?? null);
  const outputs = compileOutput(output);
  return function* (documents) {
    const entries = [...documents].map((document) => ({
      document,
      value: groupValue({ root: document, variables: context.variables }) ?? null,
    }));
    entries.sort((left, right) => compareValues(left.value, right.value));
    const size = Math.max(1, Math.round(entries.length / wanted));
    let start = 0;
    for (let index = 0; index < wanted && start < entries.length; index++) {
      let end = index === wanted - 1 ? entries.length : Math.min(entries.length, start + size);
      // equal values stay in one bucket
      while (end < entries.length && compareValues(entries[end]?.value, entries[end - 1]?.value) === 0) end++;
      const members = entries.slice(start, end);
      const max = entries[end]?.value ?? members.at(-1)?.value ?? null;
      yield summarize(
        { min: members[0]?.value ?? null, max },
        members.map(({ document }) => document),
        outputs,
        context,
      );
      start = end;
    }
  };
};

export const bucketStages: Readonly<Record<string, StageCompiler>> = {
  $bucket: bucket,
  $bucketAuto: bucketAuto,
};
