import { bindVariables } from '../aggregation/expression.ts';
import type { Document } from '../bson/values.ts';
import { failedToParse } from '../errors.ts';
import { parseCollation } from '../query/collation.ts';
import { findMatches } from '../query/find.ts';
import { compileProjection, type Projection } from '../query/projection.ts';
import { latestView } from '../store/record.ts';
import { removeDocument } from '../store/writes.ts';
import { executeUpdate, newProgress } from '../update/execute.ts';
import { compileUpdate, isReplacement } from '../update/update.ts';
import type { Command, CommandContext, CommandReply } from './command.ts';
import { arrayField, booleanField, collectionName, documentField } from './fields.ts';
import { retryWhileLocked } from './lockWait.ts';

export const findAndModify: Command = {
  fields: [
    'query',
    'sort',
    'remove',
    'update',
    'new',
    'fields',
    'upsert',
    'collation',
    'arrayFilters',
    'hint',
    'let',
    'stmtId',
  ],
  inTransaction: true,
  run: (context) => {
    const { body } = context;
    const remove = booleanField(body, 'remove');
    if (remove === (body.update !== undefined))
      throw failedToParse('Either an update or remove=true must be specified');
    if (remove && booleanField(body, 'new'))
      throw failedToParse(
        "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document",
      );
    return retryWhileLocked(context, () => (remove ? removeOne(context) : updateOne(context)));
  },
};

function query({ body }: CommandContext) {
  return {
    filter: documentField(body, 'query') ?? {},
    sort: documentField(body, 'sort'),
    collation: parseCollation(documentField(body, 'collation')),
    hint: body.hint,
    variables: bindVariables(documentField(body, 'let'), { root: null, variables: null }),
  };
}

// A command that answers with an error must have changed nothing: the answer is computed before the change is made.

function removeOne(context: CommandContext): CommandReply {
  const { store, database, transaction } = context;
  const collection = store.collection(database, collectionName(context));
  const projection = projectionOf(context);
  const matches =
    collection === undefined
      ? []
      : findMatches(collection, { ...query(context), limit: 1 }, transaction?.view ?? latestView);
  let value: Document | null = null;
  for (const { record, version } of matches) {
    value = projection(version.document);
    if (collection !== undefined) removeDocument(store, collection, record, transaction);
  }
  return { lastErrorObject: { n: matches.length }, value, ok: 1 };
}

function updateOne(context: CommandContext): CommandReply {
  const { store, database, transaction, body } = context;
  const upsert = booleanField(body, 'upsert');
  const isNew = booleanField(body, 'new');
  const projection = projectionOf(context);
  const parts = query(context);
  let value: Document | null = null;
  const statement = {
    ...parts,
    update: compileUpdate(body.update, arrayField(body, 'arrayFilters') ?? [], parts.variables),
    isReplacement: isReplacement(body.update),
    multi: false,
    upsert,
    beforeChange: (before: Document | null, after: Document) => {
      const shown = isNew ? after : before;
      value = shown === null ? null : projection(shown);
    },
  };
  const name = collectionName(context);
  const collection = upsert ? store.ensureCollection(database, name) : store.collection(database, name);
  const progress = newProgress();
  if (collection !== undefined) executeUpdate(store, collection, statement, transaction, progress);
  const { matched, upsertedId } = progress;
  return {
    lastErrorObject: {
      n: matched + Number(upsertedId !== undefined),
      updatedExisting: matched > 0,
      upserted: upsertedId,
    },
    value,
    ok: 1,
  };
}

function projectionOf(context: CommandContext): Projection {
  const { filter, variables } = query(context);
  const projection = compileProjection(documentField(context.body, 'fields'), { filter, variables });
  return projection ?? ((document) => document);
}
