import { bindVariables } from '../aggregation/expression.ts';
import { serialize } from '../bson/serialize.ts';
import { defaultFirstBatch } from '../cursors/cursors.ts';
import { ResultSource } from '../cursors/resultSource.ts';
import { notSupported } from '../errors.ts';
import { parseCollation } from '../query/collation.ts';
import { findMatches } from '../query/find.ts';
import { compileProjection } from '../query/projection.ts';
import type { Command } from './command.ts';
import { booleanField, collectionName, documentField, numberField } from './fields.ts';

export const find: Command = {
  fields: [
    'filter',
    'sort',
    'projection',
    'hint',
    'skip',
    'limit',
    'batchSize',
    'singleBatch',
    'collation',
    'let',
    'allowDiskUse',
    'noCursorTimeout',
    'allowPartialResults',
    'returnKey',
    'showRecordId',
    'tailable',
    'awaitData',
    'oplogReplay',
    'min',
    'max',
  ],
  inTransaction: true,
  async run(context) {
    const { store, server, database, body, view, session } = context;
    for (const option of ['returnKey', 'showRecordId', 'tailable', 'min', 'max']) {
      if (body[option] !== undefined && body[option] !== false)
        throw notSupported(`the option '${option}' of find`);
    }
    const name = collectionName(context);
    const collection = store.collection(database, name);
    const filter = documentField(body, 'filter') ?? {};
    const variables = bindVariables(documentField(body, 'let'), { root: null, variables: null });
    const projection = compileProjection(documentField(body, 'projection'), { filter, variables });
    const limit = numberField(body, 'limit') ?? 0;
    const matches =
      collection === undefined
        ? []
        : findMatches(
            collection,
            {
              filter,
              sort: documentField(body, 'sort'),
              skip: numberField(body, 'skip') ?? 0,
              limit,
              collation: parseCollation(documentField(body, 'collation')),
              hint: body.hint,
              variables,
            },
            view,
          );
    const documents = matches.map(({ version }) =>
      projection === null ? version.raw : serialize(projection(version.document)),
    );
    const batchSize = numberField(body, 'batchSize') ?? defaultFirstBatch;
    const singleBatch = booleanField(body, 'singleBatch');
    const cursor = await server.cursors.start(new ResultSource(documents), `${database}.${name}`, batchSize, {
      singleBatch,
      sessionKey: session?.key ?? null,
    });
    return { cursor, ok: 1 };
  },
};
