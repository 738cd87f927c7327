import { bindVariables } from '../aggregation/expression.ts';
import { isDocument } from '../bson/values.ts';
import { badValue } from '../errors.ts';
import { parseCollation } from '../query/collation.ts';
import { executeDelete } from '../update/execute.ts';
import type { Command } from './command.ts';
import {
  booleanField,
  checkFields,
  collectionName,
  documentField,
  documentsField,
  numberField,
} from './fields.ts';
import { runStatements } from './writeBatch.ts';

export const deleteCommand: Command = {
  fields: ['deletes', 'ordered', 'let', 'stmtId', 'stmtIds'],
  inTransaction: true,
  async run(context) {
    const { store, database, transaction, body } = context;
    const collection = store.collection(database, collectionName(context));
    const statements = documentsField(context, 'deletes');
    const variables = bindVariables(documentField(body, 'let'), { root: null, variables: null });
    const { n, writeErrors } = await runStatements(
      context,
      statements.length,
      booleanField(body, 'ordered', true),
      (index, result) => {
        const statement = statements[index] ?? {};
        checkFields(statement, ['q', 'limit', 'collation', 'hint'], 'delete.deletes');
        const { q: filter, hint } = statement;
        const limit = numberField(statement, 'limit');
        if (!isDocument(filter) || (limit !== 0 && limit !== 1))
          throw badValue("BSON field 'delete.deletes' needs q, and a limit of 0 or 1");
        if (collection === undefined) return;
        const collation = parseCollation(documentField(statement, 'collation'));
        executeDelete(store, collection, { filter, limit, collation, hint, variables }, transaction, () => {
          result.n++;
        });
      },
    );
    return { n, writeErrors: writeErrors.length > 0 ? writeErrors : undefined, ok: 1 };
  },
};
