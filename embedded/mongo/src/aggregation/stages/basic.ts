import { toNumber } from '../../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { badValue, MongoServerError } from '../../errors.ts';
import { compileFilter } from '../../query/filter.ts';
import { compileSort, parseSort } from '../../query/sort.ts';
import { Draft } from '../../update/draft.ts';
import { compileExpression, type Expression, type Variables } from '../expression.ts';
import { compilePipeline, runStages } from '../pipeline.ts';
import type { StageCompiler } from './stages.ts';

function count(specification: Value, name: string, minimum: number): number {
  const number = isNumeric(specification) ? toNumber(specification) : Number.NaN;
  if (!Number.isInteger(number) || number < minimum)
    throw badValue(`invalid argument to ${name} stage: it needs an integer of at least ${minimum}`);
  return number;
}

const match: StageCompiler = (specification, { collation, variables }) => {
  if (!isDocument(specification)) throw badValue('the match filter must be an expression in an object');
  const matches = compileFilter(specification, { collation, ...(variables === null ? {} : { variables }) });
  return function* (documents) {
    for (const document of documents) if (matches(document)) yield document;
  };
};

const sort: StageCompiler = (specification, { collation }) => {
  if (!isDocument(specification) || Object.keys(specification).length === 0)
    throw badValue('$sort stage must have at least one sort key');
  const fields = parseSort(specification);
  if (fields.some(({ path }) => path === '$natural'))
    throw new MongoServerError('Location16410', "FieldPath field names may not start with '$': $natural");
  const order = compileSort(fields, collation);
  return (documents) => [...documents].sort(order);
};

const limit: StageCompiler = (specification) => {
  const maximum = count(specification, '$limit', 1);
  return function* (documents) {
    let taken = 0;
    for (const document of documents) {
      yield document;
      if (++taken >= maximum) return;
    }
  };
};

const skip: StageCompiler = (specification) => {
  const skipped = count(specification, '$skip', 0);
  return function* (documents) {
    let seen = 0;
    for (const document of documents) if (seen++ >= skipped) yield document;
  };
};

const unwind: StageCompiler = (specification) => {
  const options: Document = isDocument(specification) ? specification : { path: specification };
  const { path, includeArrayIndex, preserveNullAndEmptyArrays, ...unknown } = options;
  const [option] = Object.keys(unknown);
  if (option !== undefined)
    throw new MongoServerError('Location28811', `unrecognized option to $unwind stage: ${option}`);
  if (preserveNullAndEmptyArrays !== undefined && typeof preserveNullAndEmptyArrays !== 'boolean')
    throw new MongoServerError(
      'Location28809',
      'expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage',
    );
  if (includeArrayIndex !== undefined && (typeof includeArrayIndex !== 'string' || includeArrayIndex === ''))
    throw new MongoServerError(
      'Location28810',
      'expected a non-empty string for the includeArrayIndex option to $unwind stage',
    );
  if (typeof path !== 'string' || !path.startsWith('$'))
    throw badValue("path option to $unwind stage should be prefixed with a '$'");
  const parts = path.slice(1).split('.');
  const keepsEmpty = preserveNullAndEmptyArrays === true;
  const withIndex = (draft: Draft, index: bigint | null) => {
    if (typeof includeArrayIndex === 'string') draft.set(includeArrayIndex.split('.'), index);
    return draft.root;
  };
  return function* (documents) {
    for (const document of documents) {
      const value = new Draft(document).get(parts);
      if (isArray(value) && value.length > 0) {
        for (const [index, element] of value.entries()) {
          const draft = new Draft(document);
          draft.set(parts, element);
          yield withIndex(draft, BigInt(index));
        }
      } else if (keepsEmpty || (value !== undefined && value !== null && !isArray(value))) {
        const draft = new Draft(document);
        if (isArray(value)) draft.unset(parts);
        yield withIndex(draft, null);
      }
    }
  };
};

const countStage: StageCompiler = (specification) => {
  if (
    typeof specification !== 'string' ||
    specification === '' ||
    specification.startsWith('$') ||
    specification.includes('.')
  ) {
    throw badValue('the count field must be a non-empty string without $ and .');
  }
  return function* (documents) {
    let total = 0;
    for (const _document of documents) total++;
    if (total > 0) yield { [specification]: total };
  };
};

const sample: StageCompiler = (specification) => {
  const size = count(isDocument(specification) ? (specification.size ?? null) : null, '$sample', 1);
  return (documents) => {
    const pool = [...documents];
    const picked: Document[] = [];
    while (picked.length < size && pool.length > 0)
      picked.push(...pool.splice(Math.floor(Math.random() * pool.length), 1));
    return picked;
  };
};

const facet: StageCompiler = (specification, context) => {
  if (!isDocument(specification) || Object.keys(specification).length === 0)
    throw badValue('the $facet specification must be a non-empty object');
  const facets = Object.entries(specification).map(([name, pipeline]) => {
    if (!isArray(pipeline)) throw badValue(`arguments to $facet must be arrays, ${name} is not`);
    const names = pipeline.flatMap((stage) => (isDocument(stage) ? Object.keys(stage) : []));
    const forbidden = names.find((stage) => ['$facet', '$out', '$merge'].includes(stage));
    if (forbidden !== undefined)
      throw new MongoServerError(
        'Location40600',
        `${forbidden} is not allowed to be used within a $facet stage`,
      );
    return [name, compilePipeline(pipeline, context)] as const;
  });
  return function* (documents) {
    const input = [...documents];
    yield Object.fromEntries(facets.map(([name, stages]) => [name, [...runStages(stages, input)]]));
  };
};

const redact: StageCompiler = (specification, { variables }) => {
  let decisions: Variables | null = variables;
  for (const name of ['DESCEND', 'PRUNE', 'KEEP']) decisions = { name, value: name, outer: decisions };
  const decide = compileExpression(specification);
  return function* (documents) {
    for (const document of documents) {
      const kept = redacted(document, decide, decisions);
      if (kept !== undefined) yield kept;
    }
  };
};

function redacted(document: Document, decide: Expression, variables: Variables | null): Document | undefined {
  const decision = decide({ root: document, variables });
  if (decision === 'KEEP') return document;
  if (decision === 'PRUNE') return undefined;
  if (decision !== 'DESCEND')
    throw new MongoServerError('BadValue', '$redact must return $$DESCEND, $$PRUNE or $$KEEP');
  const inner = (value: Value): Value | undefined => {
    if (isDocument(value)) return redacted(value, decide, variables);
    return isArray(value) ? value.map(inner).filter((element) => element !== undefined) : value;
  };
  const result: Document = {};
  for (const [name, value] of Object.entries(document)) {
    const kept = inner(value);
    if (kept !== undefined) result[name] = kept;
  }
  return result;
}

const documentsStage: StageCompiler = (specification, { variables }) => {
  const list = compileExpression(specification)({ root: {}, variables });
  if (!isArray(list)) throw badValue('$documents needs an array of objects');
  return () => list.filter(isDocument);
};

export const basicStages: Readonly<Record<string, StageCompiler>> = {
  $match: match,
  $sort: sort,
  $limit: limit,
  $skip: skip,
  $unwind: unwind,
  $count: countStage,
  $sample: sample,
  $facet: facet,
  $redact: redact,
  $documents: documentsStage,
};
