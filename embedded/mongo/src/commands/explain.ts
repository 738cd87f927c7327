import { type Document, isArray, isDocument } from '../bson/values.ts';
import { notSupported } from '../errors.ts';
import { parseCollation } from '../query/collation.ts';
import { planQuery } from '../query/planner.ts';
import { parseSort } from '../query/sort.ts';
import type { Command } from './command.ts';
import { documentField } from './fields.ts';

/** Shows which index a find, count or the leading $match of an aggregation would use. */
export const explain: Command = {
  fields: ['verbosity'],
  run({ store, database, body }) {
    const command = documentField(body, 'explain') ?? {};
    const [name = ''] = Object.keys(command);
    if (!['find', 'count', 'aggregate', 'distinct'].includes(name)) throw notSupported(`explain of ${name}`);
    const collection = store.collection(database, String(command[name]));
    const sort = parseSort(documentField(command, 'sort'));
    const collation = parseCollation(documentField(command, 'collation'));
    const plan =
      collection === undefined
        ? { kind: 'empty' as const }
        : planQuery(collection, { filter: filterOf(command), sort, collation, hint: command.hint });
    const stage = { empty: 'EOF', collection: 'COLLSCAN', ids: 'IDHACK', idOrder: 'IXSCAN', index: 'IXSCAN' }[
      plan.kind
    ];
    const indexName = plan.kind === 'index' ? plan.index.name : plan.kind === 'idOrder' ? '_id_' : undefined;
    return {
      queryPlanner: {
        namespace: `${database}.${String(command[name])}`,
        winningPlan: {
          stage,
          indexName,
          providesSort: 'providesSort' in plan ? plan.providesSort : undefined,
        },
      },
      ok: 1,
    };
  },
};

function filterOf(command: Document): Document {
  const { pipeline } = command;
  const [first] = isArray(pipeline) ? pipeline : [];
  const match = isDocument(first) ? first.$match : undefined;
  return (
    documentField(command, 'filter') ?? documentField(command, 'query') ?? (isDocument(match) ? match : {})
  );
}
