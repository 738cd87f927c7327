import { toNumber } from '../bson/numbers.ts';
import { serialize } from '../bson/serialize.ts';
import { type Document, isDocument, isNumeric } from '../bson/values.ts';
import { ResultSource } from '../cursors/resultSource.ts';
import { badValue, MongoServerError, namespaceNotFound, notSupported } from '../errors.ts';
import { compileFilter } from '../query/filter.ts';
import type { Command } from './command.ts';
import { booleanField, checkedName, collectionName, documentField } from './fields.ts';
import { indexOf } from './indexes.ts';

const storedOptions = ['validator', 'validationLevel', 'validationAction'] as const;

export const create: Command = {
  fields: [
    ...storedOptions,
    'capped',
    'size',
    'max',
    'viewOn',
    'pipeline',
    'collation',
    'timeseries',
    'expireAfterSeconds',
    'clusteredIndex',
    'changeStreamPreAndPostImages',
    'storageEngine',
    'indexOptionDefaults',
    'idIndex',
    'autoIndexId',
    'encryptedFields',
  ],
  inTransaction: true,
  run(context) {
    const { store, database, body } = context;
    const name = collectionName(context);
    if (store.collection(database, name) !== undefined) {
      throw new MongoServerError('NamespaceExists', `Collection ${database}.${name} already exists.`);
    }
    const options: Document = {};
    for (const [option, value] of Object.entries(body)) {
      if (storedOptions.some((known) => known === option)) options[option] = value;
      else if (
        create.fields.includes(option) &&
        option !== 'idIndex' &&
        option !== 'autoIndexId' &&
        value !== false
      )
        throw notSupported(`the option '${option}' of create`);
    }
    checkValidation(options);
    store.createCollection(database, name, options);
    return { ok: 1 };
  },
};

function checkValidation(options: Document): void {
  const { validator, validationLevel = 'strict', validationAction = 'error' } = options;
  if (validator !== undefined && !isDocument(validator)) throw badValue("'validator' must be an object");
  if (isDocument(validator)) compileFilter(validator);
  if (validationLevel !== 'strict' && validationLevel !== 'off')
    throw notSupported(`validationLevel '${String(validationLevel)}'`);
  if (validationAction !== 'error') throw notSupported(`validationAction '${String(validationAction)}'`);
}

export const collMod: Command = {
  fields: ['index', ...storedOptions],
  run(context) {
    const { store, database, body } = context;
    const name = collectionName(context);
    const collection = store.collection(database, name);
    if (collection === undefined) throw namespaceNotFound(`${database}.${name}`);
    const change = documentField(body, 'index');
    const index = change === undefined ? undefined : indexOf(collection, change);
    if (change !== undefined) {
      if (index === undefined)
        throw new MongoServerError('IndexNotFound', `cannot find index for ns ${collection.namespace}`);
      const { expireAfterSeconds, hidden } = change;
      if (isNumeric(expireAfterSeconds))
        index.specification.expireAfterSeconds = toNumber(expireAfterSeconds);
      if (typeof hidden === 'boolean') index.specification.hidden = hidden;
    }
    const options = { ...collection.options };
    for (const option of storedOptions) if (body[option] !== undefined) options[option] = body[option];
    checkValidation(options);
    store.setOptions(collection, options);
    return { ok: 1 };
  },
};

export const drop: Command = {
  fields: [],
  run(context) {
    const { store, database } = context;
    const collection = store.collection(database, collectionName(context));
    if (collection === undefined) return { ok: 1 };
    const nIndexesWas = collection.indexes.length + 1;
    store.dropCollection(collection);
    return { nIndexesWas, ns: collection.namespace, ok: 1 };
  },
};

export const dropDatabase: Command = {
  fields: [],
  run({ store, database }) {
    for (const collection of [...(store.databases.get(database)?.values() ?? [])])
      store.dropCollection(collection);
    return { dropped: database, ok: 1 };
  },
};

export const renameCollection: Command = {
  fields: ['to', 'dropTarget', 'stayTemp'],
  run({ store, body }) {
    const source = splitNamespace(body.renameCollection);
    const target = splitNamespace(body.to);
    const collection = store.collection(source.database, source.name);
    if (collection === undefined) throw namespaceNotFound(`${source.database}.${source.name}`);
    const existing = store.collection(target.database, target.name);
    if (existing !== undefined) {
      if (!booleanField(body, 'dropTarget'))
        throw new MongoServerError('NamespaceExists', 'target namespace exists');
      store.dropCollection(existing);
    }
    store.renameCollection(collection, target.database, target.name);
    return { ok: 1 };
  },
};

function splitNamespace(value: Document[string] | undefined): { database: string; name: string } {
  if (typeof value !== 'string' || !value.includes('.'))
    throw new MongoServerError('InvalidNamespace', `Invalid namespace specified '${String(value)}'`);
  const dot = value.indexOf('.');
  return { database: value.slice(0, dot), name: checkedName(value.slice(dot + 1), 'renameCollection') };
}

export const listCollections: Command = {
  fields: ['filter', 'nameOnly', 'authorizedCollections', 'cursor'],
  async run(context) {
    const { server, store, database, body, session } = context;
    const matches = compileFilter(documentField(body, 'filter') ?? {});
    const nameOnly = booleanField(body, 'nameOnly');
    const described = [...(store.databases.get(database)?.values() ?? [])]
      .map(
        ({ name, options }): Document => ({
          name,
          type: 'collection',
          options,
          info: { readOnly: false },
          idIndex: { v: 2, key: { _id: 1 }, name: '_id_' },
        }),
      )
      .filter(matches)
      .map((entry) => serialize(nameOnly ? { name: entry.name, type: entry.type } : entry));
    const cursor = await server.cursors.start(
      new ResultSource(described),
      `${database}.$cmd.listCollections`,
      Number.POSITIVE_INFINITY,
      {
        sessionKey: session?.key ?? null,
      },
    );
    return { cursor, ok: 1 };
  },
};

export const listDatabases: Command = {
  fields: ['filter', 'nameOnly', 'authorizedDatabases'],
  run({ store, body }) {
    const matches = compileFilter(documentField(body, 'filter') ?? {});
    const databases = [...store.databases]
      .map(([name, collections]): Document => {
        let sizeOnDisk = 0;
        for (const { dataBytes } of collections.values()) sizeOnDisk += dataBytes;
        return { name, sizeOnDisk: BigInt(sizeOnDisk), empty: false };
      })
      .filter(matches);
    if (booleanField(body, 'nameOnly')) return { databases: databases.map(({ name }) => ({ name })), ok: 1 };
    return { databases, totalSize: BigInt(store.dataBytes), ok: 1 };
  },
};
