import { bindVariables } from '../aggregation/expression.ts';
import type { Document } from '../bson/values.ts';
import { failedToParse } from '../errors.ts';
import { parseCollation } from '../query/collation.ts';
import { compileProjection } from '../query/projection.ts';
import { executeDelete, executeUpdate, newProgress } from '../update/execute.ts';
import { compileUpdate } from '../update/update.ts';
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

function removeOne(context: CommandContext): CommandReply {
  const { store, database, transaction } = context;
  const collection = store.collection(database, collectionName(context));
  let removed: Document | null = null;
  if (collection !== undefined) {
    executeDelete(store, collection, { ...query(context), limit: 1 }, transaction, (document) => {
      removed = document;
    });
  }
  return { lastErrorObject: { n: removed === null ? 0 : 1 }, value: projected(removed, context), ok: 1 };
}

function updateOne(context: CommandContext): CommandReply {
  const { store, database, transaction, body } = context;
  const upsert = booleanField(body, 'upsert');
  const name = collectionName(context);
  const collection = upsert ? store.ensureCollection(database, name) : store.collection(database, name);
  const parts = query(context);
  const progress = newProgress();
  const statement = {
    ...parts,
    update: compileUpdate(body.update, arrayField(body, 'arrayFilters') ?? [], parts.variables),
    multi: false,
    upsert,
  };
  if (collection !== undefined) executeUpdate(store, collection, statement, transaction, progress);
  const { matched, upsertedId, before, after } = progress;
  return {
    lastErrorObject: {
      n: matched + Number(upsertedId !== undefined),
      updatedExisting: matched > 0,
      upserted: upsertedId,
    },
    value: projected(booleanField(body, 'new') ? after : before, context),
    ok: 1,
  };
}

function projected(document: Document | null, { body }: CommandContext): Document | null {
  if (document === null) return null;
  const projection = compileProjection(documentField(body, 'fields'), {
    filter: documentField(body, 'query') ?? {},
  });
  return projection === null ? document : projection(document);
}
