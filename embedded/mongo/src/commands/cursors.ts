import { toNumber } from '../bson/numbers.ts';
import { isNumeric, type Value } from '../bson/values.ts';
import { MongoServerError, typeMismatch } from '../errors.ts';
import type { Command } from './command.ts';
import { arrayField, numberField } from './fields.ts';

const defaultWaitMilliseconds = 1000;

function cursorId(value: Value | undefined): bigint {
  if (typeof value === 'bigint') return value;
  if (isNumeric(value)) return BigInt(toNumber(value));
  throw typeMismatch('a cursor id must be a number');
}

export const getMore: Command = {
  fields: ['collection', 'batchSize', 'maxTimeMS', 'term', 'lastKnownCommittedOpTime'],
  inTransaction: true,
  async run({ server, body, database }) {
    const { collection } = body;
    if (typeof collection !== 'string')
      throw new MongoServerError(
        'IDLFailedToParse',
        "BSON field 'getMore.collection' is missing but a required field",
      );
    const batchSize = numberField(body, 'batchSize') ?? Number.POSITIVE_INFINITY;
    const wait = numberField(body, 'maxTimeMS') ?? defaultWaitMilliseconds;
    const cursor = await server.cursors.getMore(
      cursorId(body.getMore),
      `${database}.${collection}`,
      batchSize === 0 ? Number.POSITIVE_INFINITY : batchSize,
      wait,
    );
    return { cursor, ok: 1 };
  },
};

export const killCursors: Command = {
  fields: ['cursors'],
  inTransaction: true,
  run({ server, body }) {
    const cursorsKilled: bigint[] = [];
    const cursorsNotFound: bigint[] = [];
    for (const value of arrayField(body, 'cursors') ?? []) {
      const id = cursorId(value);
      (server.cursors.kill(id) ? cursorsKilled : cursorsNotFound).push(id);
    }
    return { cursorsKilled, cursorsNotFound, cursorsAlive: [], cursorsUnknown: [], ok: 1 };
  },
};
