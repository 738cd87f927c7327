import { BSONRegExp, ObjectId } from 'bson';
import { deserialize } from '../bson/deserialize.ts';
import { type Document, isArray, isDocument } from '../bson/values.ts';
import { MongoServerError, typeMismatch } from '../errors.ts';
import { insertDocument } from '../store/writes.ts';
import type { Command, CommandContext } from './command.ts';
import { arrayField, booleanField, collectionName } from './fields.ts';
import { runStatements } from './writeBatch.ts';

interface NewDocument {
  document: Document;
  /** The bytes as they came, when they can be stored unchanged. */
  raw: Buffer | null;
}

export const insert: Command = {
  fields: ['documents', 'ordered', 'stmtId', 'stmtIds'],
  inTransaction: true,
  async run(context) {
    const { store, database, transaction, body } = context;
    const collection = store.ensureCollection(database, collectionName(context));
    const documents = newDocuments(context);
    if (documents.length === 0)
      throw new MongoServerError(
        'InvalidLength',
        'Write batch sizes must be between 1 and 100000. Got 0 operations.',
      );
    const { n, writeErrors } = await runStatements(
      context,
      documents.length,
      booleanField(body, 'ordered', true),
      (index, result) => {
        const entry = documents[index];
        if (entry === undefined) return;
        insertDocument(store, collection, entry.document, entry.raw, transaction);
        result.n++;
      },
    );
    return { n, writeErrors: writeErrors.length > 0 ? writeErrors : undefined, ok: 1 };
  },
};

function newDocuments({ body, sequences }: CommandContext): NewDocument[] {
  const sequence = sequences.get('documents');
  if (sequence !== undefined) {
    return sequence.map((bytes) => {
      const raw = Buffer.from(bytes);
      return withId(deserialize(raw), raw);
    });
  }
  return (arrayField(body, 'documents') ?? []).map((document) => {
    if (!isDocument(document)) throw typeMismatch("BSON field 'insert.documents' must hold objects");
    return withId(document, null);
  });
}

/** MongoDB stores `_id` as the first field, and makes one up when it is missing. */
function withId(document: Document, raw: Buffer | null): NewDocument {
  const { _id: id } = document;
  if (id !== undefined && Object.keys(document)[0] === '_id') {
    checkId(id);
    return { document, raw };
  }
  const { _id: given = new ObjectId(), ...rest } = document;
  checkId(given);
  return { document: { _id: given, ...rest }, raw: null };
}

function checkId(id: Document[string]): void {
  if (isArray(id) || id instanceof BSONRegExp) {
    throw new MongoServerError('InvalidIdField', "The '_id' value cannot be of type array or regex");
  }
}
