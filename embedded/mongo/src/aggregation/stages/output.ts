import { ObjectId } from 'bson';
import { type Document, isArray, isDocument, type Value } from '../../bson/values.ts';
import { failedToParse, MongoServerError } from '../../errors.ts';
import { findMatches } from '../../query/find.ts';
import type { Collection } from '../../store/collection.ts';
import { latestView } from '../../store/record.ts';
import { insertDocument, removeDocument, replaceDocument } from '../../store/writes.ts';
import { valueAtPath, withVariable } from '../expression.ts';
import type { PipelineContext } from '../pipeline.ts';
import type { StageCompiler } from './stages.ts';
import { compileTransforms } from './transforms.ts';

function targetOf(
  into: Value | undefined,
  { database }: PipelineContext,
  name: string,
): { database: string; collection: string } {
  if (typeof into === 'string') return { database, collection: into };
  const { db, coll } = isDocument(into) ? into : {};
  if (typeof coll !== 'string') throw failedToParse(`${name} needs the name of a collection`);
  return { database: typeof db === 'string' ? db : database, collection: coll };
}

function withId(document: Document): Document {
  if (document._id !== undefined) return document;
  return { _id: new ObjectId(), ...document };
}

function checkOutsideOfTransaction({ transaction }: PipelineContext, name: string): void {
  if (transaction !== null)
    throw new MongoServerError(
      'OperationNotSupportedInTransaction',
      `${name} cannot be used in a transaction`,
    );
}

const out: StageCompiler = (specification, context) => {
  const { store } = context;
  const target = targetOf(specification, context, '$out');
  checkOutsideOfTransaction(context, '$out');
  return (documents) => {
    const results = [...documents].map(withId);
    const collection = store.ensureCollection(target.database, target.collection);
    for (const { record } of findMatches(collection, { filter: {} }, latestView))
      removeDocument(store, collection, record, null);
    for (const document of results) insertDocument(store, collection, document, null, null);
    return [];
  };
};

type WhenMatched = (old: Document, next: Document) => Document | null;

const merge: StageCompiler = (specification, context) => {
  const { store } = context;
  const options: Document =
    typeof specification === 'string'
      ? { into: specification }
      : isDocument(specification)
        ? specification
        : {};
  for (const field of Object.keys(options)) {
    if (!['into', 'on', 'let', 'whenMatched', 'whenNotMatched'].includes(field))
      throw failedToParse(`BSON field '$merge.${field}' is an unknown field.`);
  }
  checkOutsideOfTransaction(context, '$merge');
  const target = targetOf(options.into, context, '$merge');
  const on = (isArray(options.on) ? options.on : [options.on ?? '_id']).map(String);
  const whenMatched = matchedAction(options.whenMatched ?? 'merge', context);
  const whenNotMatched = options.whenNotMatched ?? 'insert';
  if (typeof whenNotMatched !== 'string' || !['insert', 'discard', 'fail'].includes(whenNotMatched))
    throw failedToParse("'whenNotMatched' must be insert, discard or fail");
  return (documents) => {
    const results = [...documents].map(withId);
    const collection = store.ensureCollection(target.database, target.collection);
    for (const document of results) mergeOne(collection, document);
    return [];
  };

  function mergeOne(collection: Collection, document: Document): void {
    const filter = Object.fromEntries(
      on.map((field) => [field, valueAtPath(document, field.split('.')) ?? null]),
    );
    const [match] = findMatches(collection, { filter, limit: 1 }, latestView);
    if (match === undefined) {
      if (whenNotMatched === 'insert') insertDocument(store, collection, document, null, null);
      else if (whenNotMatched === 'fail')
        throw new MongoServerError(
          'MergeStageNoMatchingDocument',
          '$merge could not find a matching document in the target collection',
        );
      return;
    }
    const next = whenMatched(match.version.document, document);
    if (next !== null) replaceDocument(store, collection, match.record, next, null, null);
  }
};

function matchedAction(action: Value, context: PipelineContext): WhenMatched {
  if (isArray(action)) {
    return (old, next) => {
      const environment = withVariable({ root: old, variables: context.variables }, 'new', next);
      return compileTransforms(action, environment.variables)(old);
    };
  }
  switch (action) {
    case 'replace':
      return (old, next) => ({ ...next, _id: old._id ?? null });
    case 'merge':
      return (old, next) => ({ ...old, ...next, _id: old._id ?? null });
    case 'keepExisting':
      return () => null;
    case 'fail':
      return (_old, next) => {
        throw new MongoServerError(
          'DuplicateKey',
          `$merge found a document with the same key: ${String(next._id)}`,
        );
      };
    default:
      throw failedToParse("'whenMatched' must be replace, merge, keepExisting, fail or a pipeline");
  }
}

export const outputStages: Readonly<Record<string, StageCompiler>> = { $out: out, $merge: merge };
