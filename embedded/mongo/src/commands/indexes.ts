import { equalValues } from '../bson/compare.ts';
import { getField, isArrayIndex } from '../bson/paths.ts';
import { serialize } from '../bson/serialize.ts';
import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';
import { ResultSource } from '../cursors/resultSource.ts';
import { MongoServerError, namespaceNotFound, notSupported } from '../errors.ts';
import { buildIndex } from '../index/build.ts';
import type { OrderedIndex } from '../index/orderedIndex.ts';
import { type IndexSpecification, parseIndexSpecification } from '../index/specification.ts';
import type { Collection } from '../store/collection.ts';
import { latestView, visibleVersion } from '../store/record.ts';
import { duplicateKey } from '../store/writes.ts';
import type { Command } from './command.ts';
import { collectionName, documentField, documentsField, numberField } from './fields.ts';

const idSpecification: IndexSpecification = { v: 2, key: { _id: 1 }, name: '_id_' };

export const createIndexes: Command = {
  fields: ['indexes', 'commitQuorum', 'ignoreUnknownIndexOptions'],
  async run(context) {
    const { store, database } = context;
    const name = collectionName(context);
    const existed = store.collection(database, name) !== undefined;
    const collection = store.ensureCollection(database, name);
    const wanted = documentsField(context, 'indexes')
      .map((given) => checkedOrder(parseIndexSpecification(given)))
      .filter(({ name, key }) => name !== '_id_' && !equalValues(key, idSpecification.key));
    if (wanted.some((specification) => !isPresent(collection.indexes, specification)))
      await withoutWriters(collection);
    const before = collection.indexes.length + 1;
    const built: OrderedIndex[] = [];
    for (const specification of wanted) {
      const existing = [...collection.indexes, ...built];
      if (!isPresent(existing, specification)) built.push(filled(collection, specification));
    }
    collection.indexes.push(...built);
    if (built.length > 0) store.saveCollection(collection);
    return {
      numIndexesBefore: before,
      numIndexesAfter: collection.indexes.length + 1,
      createdCollectionAutomatically: !existed,
      note: built.length === 0 ? 'all indexes already exist' : undefined,
      ok: 1,
    };
  },
};

/** JavaScript puts names that are numbers first, so the place of such a field in the key is not known. */
function checkedOrder(specification: IndexSpecification): IndexSpecification {
  const paths = Object.keys(specification.key);
  const number = paths.length > 1 ? paths.find(isArrayIndex) : undefined;
  if (number !== undefined)
    throw notSupported(`an index of several fields, one of them the number '${number}',`);
  return specification;
}

/** An index is built from committed documents: transactions that changed some must end first. */
async function withoutWriters(collection: Collection): Promise<void> {
  for (;;) {
    const [writer] = collection.writers;
    if (writer === undefined) return;
    await writer.ended;
  }
}

/** @throws MongoServerError when an index with the same name or key but other options exists */
function isPresent(indexes: readonly OrderedIndex[], wanted: IndexSpecification): boolean {
  const sameName = indexes.find(({ name }) => name === wanted.name);
  if (sameName !== undefined) {
    if (isEquivalent(sameName.specification, wanted)) return true;
    const isSameKey = equalValues(sameName.specification.key, wanted.key);
    throw new MongoServerError(
      isSameKey ? 'IndexOptionsConflict' : 'IndexKeySpecsConflict',
      `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Requested index: ${wanted.name}`,
    );
  }
  const sameKey = indexes.find(
    ({ specification: { key, partialFilterExpression, collation } }) =>
      equalValues(key, wanted.key) &&
      equalValues(partialFilterExpression, wanted.partialFilterExpression) &&
      equalValues(collation, wanted.collation),
  );
  if (sameKey === undefined) return false;
  throw new MongoServerError(
    'IndexOptionsConflict',
    `Index already exists with a different name: ${sameKey.name}`,
  );
}

function isEquivalent(left: IndexSpecification, right: IndexSpecification): boolean {
  const { expireAfterSeconds: leftExpiry, ...leftRest } = left;
  const { expireAfterSeconds: rightExpiry, ...rightRest } = right;
  return (
    leftExpiry === rightExpiry &&
    serialize(sorted({ ...leftRest })).equals(serialize(sorted({ ...rightRest })))
  );
}

function sorted(specification: Document): Document {
  return Object.fromEntries(Object.entries(specification).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function filled(collection: Collection, specification: IndexSpecification): OrderedIndex {
  const index = buildIndex(specification);
  for (const record of collection.allRecords()) {
    const version = visibleVersion(record, latestView);
    if (version === null) continue;
    for (const key of index.keysOfNew(version.document)) {
      if (specification.unique === true && [...index.recordsWith(key)].length > 0) {
        const values = index.fields.map(({ path, parts }): [string, Value] => [
          path,
          getField(version.document, parts) ?? null,
        ]);
        throw duplicateKey(collection, specification.name, specification.key, Object.fromEntries(values));
      }
      index.add(key, record);
    }
  }
  return index;
}

export const listIndexes: Command = {
  fields: ['cursor'],
  async run(context) {
    const { server, store, database, body, session } = context;
    const name = collectionName(context);
    const collection = store.collection(database, name);
    if (collection === undefined) throw namespaceNotFound(`${database}.${name}`);
    const specifications = [idSpecification, ...collection.indexes.map(({ specification }) => specification)];
    const batchSize =
      numberField(documentField(body, 'cursor') ?? {}, 'batchSize') ?? Number.POSITIVE_INFINITY;
    const source = new ResultSource(specifications.map((specification) => serialize({ ...specification })));
    return {
      cursor: await server.cursors.start(source, `${database}.${name}`, batchSize, {
        sessionKey: session?.key ?? null,
      }),
      ok: 1,
    };
  },
};

export const dropIndexes: Command = {
  fields: ['index'],
  async run(context) {
    const { store, database, body } = context;
    const name = collectionName(context);
    const collection = store.collection(database, name);
    if (collection === undefined) throw namespaceNotFound(`${database}.${name}`);
    await withoutWriters(collection);
    const before = collection.indexes.length + 1;
    const dropped = new Set(indexesToDrop(collection, body.index ?? null));
    collection.indexes = collection.indexes.filter((index) => !dropped.has(index));
    store.saveCollection(collection);
    return { nIndexesWas: before, ok: 1 };
  },
};

function indexesToDrop(collection: Collection, wanted: Value): OrderedIndex[] {
  if (wanted === '*') return collection.indexes;
  return (isArray(wanted) ? wanted : [wanted]).map((one) => {
    if (one === '_id_' || equalValues(one, idSpecification.key))
      throw new MongoServerError('InvalidOptions', 'cannot drop _id index');
    const found = collection.indexes.find(
      ({ name, specification }) => name === one || (isDocument(one) && equalValues(specification.key, one)),
    );
    if (found === undefined)
      throw new MongoServerError('IndexNotFound', `index not found with name [${String(one)}]`);
    return found;
  });
}

export function indexOf(collection: Collection, { name, keyPattern }: Document): OrderedIndex | undefined {
  return collection.indexes.find(
    (index) =>
      index.name === name || (keyPattern !== undefined && equalValues(index.specification.key, keyPattern)),
  );
}
