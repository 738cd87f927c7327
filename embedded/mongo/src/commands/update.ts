import { bindVariables } from '../aggregation/expression.ts';
import { type Document, isDocument } from '../bson/values.ts';
import { badValue, failedToParse } from '../errors.ts';
import { parseCollation } from '../query/collation.ts';
import { executeUpdate, newProgress, type UpdateProgress, type UpdateStatement } from '../update/execute.ts';
import { compileUpdate, isReplacement } from '../update/update.ts';
import type { Command, CommandContext } from './command.ts';
import {
  arrayField,
  booleanField,
  checkFields,
  collectionName,
  documentField,
  documentsField,
} from './fields.ts';
import { runStatements } from './writeBatch.ts';

const statementFields = ['q', 'u', 'c', 'multi', 'upsert', 'collation', 'arrayFilters', 'hint', 'sort'];

export const update: Command = {
  fields: ['updates', 'ordered', 'let', 'stmtId', 'stmtIds'],
  inTransaction: true,
  async run(context) {
    const { store, database, transaction, body } = context;
    const name = collectionName(context);
    const statements = documentsField(context, 'updates');
    const creates = statements.some((statement) => booleanField(statement, 'upsert'));
    const collection = creates ? store.ensureCollection(database, name) : store.collection(database, name);
    let progress: UpdateProgress | null = null;
    const { n, nModified, upserted, writeErrors } = await runStatements(
      context,
      statements.length,
      booleanField(body, 'ordered', true),
      (index, result) => {
        const statement = parseStatement(statements[index] ?? {}, context);
        if (collection === undefined) return;
        progress ??= newProgress();
        executeUpdate(store, collection, statement, transaction, progress);
        const { matched, modified, upsertedId } = progress;
        progress = null;
        result.n += matched + Number(upsertedId !== undefined);
        result.nModified += modified;
        if (upsertedId !== undefined) result.upserted.push({ index, _id: upsertedId });
      },
    );
    return {
      n,
      nModified,
      upserted: upserted.length > 0 ? upserted : undefined,
      writeErrors: writeErrors.length > 0 ? writeErrors : undefined,
      ok: 1,
    };
  },
};

function parseStatement(statement: Document, context: CommandContext): UpdateStatement {
  checkFields(statement, statementFields, 'update.updates');
  const { q: filter, u, c, hint } = statement;
  if (!isDocument(filter) || u === undefined) throw badValue("BSON field 'update.updates' needs q and u");
  const multi = booleanField(statement, 'multi');
  if (multi && isReplacement(u))
    throw failedToParse('multi update is not supported for replacement-style update');
  const outer = bindVariables(documentField(context.body, 'let'), { root: null, variables: null });
  const variables = bindVariables(isDocument(c) ? c : undefined, { root: null, variables: outer });
  return {
    filter,
    update: compileUpdate(u, arrayField(statement, 'arrayFilters') ?? [], variables),
    isReplacement: isReplacement(u),
    multi,
    upsert: booleanField(statement, 'upsert'),
    sort: documentField(statement, 'sort'),
    collation: parseCollation(documentField(statement, 'collation')),
    hint,
    variables,
  };
}
