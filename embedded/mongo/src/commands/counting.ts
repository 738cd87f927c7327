import { bindVariables } from '../aggregation/expression.ts';
import { keyString } from '../bson/keyString.ts';
import { anyAtPath } from '../bson/paths.ts';
import { isArray, type Value } from '../bson/values.ts';
import { typeMismatch } from '../errors.ts';
import { newFolding, parseCollation } from '../query/collation.ts';
import { findMatches, type Query } from '../query/find.ts';
import { latestView } from '../store/record.ts';
import type { Command, CommandContext } from './command.ts';
import { collectionName, documentField, numberField } from './fields.ts';

function query({ body }: CommandContext): Query {
  return {
    filter: documentField(body, 'query') ?? {},
    skip: numberField(body, 'skip') ?? 0,
    limit: numberField(body, 'limit') ?? 0,
    collation: parseCollation(documentField(body, 'collation')),
    hint: body.hint,
    variables: bindVariables(documentField(body, 'let'), { root: null, variables: null }),
  };
}

export const count: Command = {
  fields: ['query', 'limit', 'skip', 'hint', 'collation', 'fields'],
  run(context) {
    const { store, database, view } = context;
    const collection = store.collection(database, collectionName(context));
    if (collection === undefined) return { n: 0, ok: 1 };
    const parsed = query(context);
    const isPlain =
      Object.keys(parsed.filter).length === 0 && !parsed.skip && !parsed.limit && view === latestView;
    return { n: isPlain ? collection.count : findMatches(collection, parsed, view).length, ok: 1 };
  },
};

export const distinct: Command = {
  fields: ['key', 'query', 'collation', 'hint'],
  inTransaction: true,
  run(context) {
    const { store, database, view, body } = context;
    const { key } = body;
    if (typeof key !== 'string') throw typeMismatch("BSON field 'distinct.key' must be a string");
    const collection = store.collection(database, collectionName(context));
    const values = new Map<string, Value>();
    const parsed = query(context);
    const fold = newFolding(parsed.collation)?.fold;
    const add = (value: Value | undefined) => {
      if (value === undefined) return;
      const encoded = keyString(value, fold);
      if (!values.has(encoded)) values.set(encoded, value);
    };
    for (const { version } of collection === undefined ? [] : findMatches(collection, parsed, view)) {
      anyAtPath(version.document, key.split('.'), (value) => {
        if (isArray(value)) for (const element of value) add(element);
        else add(value);
        return false;
      });
    }
    return { values: [...values.values()], ok: 1 };
  },
};
