import { randomUUID } from 'node:crypto';
import { type Connection, Schema } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { isDuplicateKey } from './transaction.ts';

/** Longer than any start takes. What a killed process has left behind is free after it. */
const CLAIM_MILLISECONDS = 60_000;

const claimSchema = new Schema(
  {
    _id: { type: String, required: true },
    holder: { type: String, required: true },
    until: { type: Date, required: true },
  },
  { collection: 'start_claims', versionKey: false, strict: 'throw', autoIndex: false },
);
claimSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

interface ClaimDocument {
  /** Of the `OnceKey`. */
  _id: string;
  holder: string;
  until: Date;
}

export async function prepareStartClaims(connection: Connection): Promise<void> {
  await createMissing(connection, 'StartClaim', claimSchema);
}

/**
 * Takes the right to do what a key stands for, while nobody else does it: for work that is more than one transaction, whose
 * reply is kept at its end.
 *
 * @param id - of the `OnceKey`
 * @returns for `releaseStart`; nothing while another request with the key is under way
 */
export async function claimStart(connection: Connection, id: string): Promise<string | undefined> {
  const now = Date.now();
  const claim = { holder: randomUUID(), until: new Date(now + CLAIM_MILLISECONDS) };
  try {
    await claims(connection).updateOne(
      { _id: id, until: { $lt: new Date(now) } },
      { $set: claim },
      { upsert: true },
    );
    return claim.holder;
  } catch (error) {
    // The one that is there is good still.
    if (isDuplicateKey(error)) return undefined;
    throw error;
  }
}

export async function releaseStart(connection: Connection, id: string, holder: string): Promise<void> {
  await claims(connection).deleteOne({ _id: id, holder });
}

function claims(connection: Connection) {
  return usable(connection).collection<ClaimDocument>('start_claims');
}
