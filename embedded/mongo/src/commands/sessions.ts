import { Binary } from 'bson';
import { isDocument } from '../bson/values.ts';
import { MongoServerError } from '../errors.ts';
import type { Session } from '../transactions/session.ts';
import { sessionKey } from '../transactions/session.ts';
import type { Command, CommandContext } from './command.ts';
import { arrayField } from './fields.ts';

export const endSessions: Command = {
  fields: [],
  run({ server, body, name }) {
    for (const entry of arrayField(body, name) ?? []) {
      const id = isDocument(entry) ? entry.id : undefined;
      if (!(id instanceof Binary)) continue;
      const key = sessionKey(id);
      server.cursors.killOfSession(key);
      server.sessions.end(key);
    }
    return { ok: 1 };
  },
};

export const refreshSessions: Command = { fields: [], run: () => ({ ok: 1 }) };

function transactionOf({ session, body }: CommandContext): { session: Session; number: bigint } {
  const { txnNumber } = body;
  if (session === null || typeof txnNumber !== 'bigint') {
    throw new MongoServerError('InvalidOptions', 'a transaction command needs lsid and txnNumber');
  }
  return { session, number: txnNumber };
}

export const commitTransaction: Command = {
  fields: ['recoveryToken'],
  inTransaction: true,
  run(context) {
    const { session, number } = transactionOf(context);
    context.server.sessions.commit(session, number, context.connectionId);
    return { ok: 1 };
  },
};

export const abortTransaction: Command = {
  fields: ['recoveryToken'],
  inTransaction: true,
  run(context) {
    const { session, number } = transactionOf(context);
    context.server.sessions.continue(session, number, context.connectionId);
    context.server.sessions.abort(session);
    return { ok: 1 };
  },
};
