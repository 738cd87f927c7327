import { createHash, randomBytes } from 'node:crypto';
import { type ClientSession, type Connection, type InferSchemaType, Schema } from 'mongoose';
import {
  API_KEY_STATUSES,
  type ApiKey,
  type ApiKeyStatus,
  MOST_PREVIOUS_KEYS,
  NEXT_API_KEY_STATUSES,
  type NewApiKey,
  type PreviousKey,
  previousAfterRotation,
  writeApiKey,
} from '../domain/accounts/apiKey.ts';
import { SCOPES } from '../domain/accounts/scopes.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { inTransaction } from './transaction.ts';
import { LONGEST_WRITE_MILLISECONDS } from './writeInTime.ts';

const ID_BYTES = 8;
const SECRET_BYTES = 32;

const previousSchema = new Schema(
  { hash: { type: String, required: true }, until: { type: Date, required: true } },
  { _id: false },
);

const apiKeySchema = new Schema(
  {
    /** The public id. */
    _id: { type: String, required: true },
    name: { type: String, required: true },
    scopes: { type: [{ type: String, enum: SCOPES, required: true }], required: true },
    status: { type: String, enum: API_KEY_STATUSES, required: true },
    hash: { type: String, required: true },
    /** The key before the latest rotation. */
    previous: previousSchema,
    /** Those before it, the newest first. Absent until a rotation writes them. */
    earlier: { type: [previousSchema], default: undefined },
    expires_at: Date,
    rate_limit_per_minute: Number,
    created_by: { type: String, required: true },
    created_at: { type: Date, required: true },
    rotated_at: Date,
    revoked_at: Date,
    last_used_at: Date,
  },
  { collection: 'api_keys', versionKey: false, strict: 'throw' },
);
apiKeySchema.index({ created_at: -1, _id: -1 });

/** Read and written as plain documents. */
type StoredApiKey = Omit<InferSchemaType<typeof apiKeySchema>, 'earlier'> & { earlier?: PreviousKey[] };

/** A key of which nothing else than its hash is kept: it cannot be shown again. */
export interface IssuedApiKey {
  readonly apiKey: ApiKey;
  /** `mrk_<id>_<secret>` */
  readonly text: string;
}

/** As many keys from before rotations are accepted as there may be. Nothing was rotated. */
export class TooManyPreviousKeysError extends Error {
  override name = 'TooManyPreviousKeysError';

  constructor() {
    super(`The key has ${MOST_PREVIOUS_KEYS} earlier secrets that still work`);
  }
}

export async function prepareApiKeys(connection: Connection): Promise<void> {
  await createMissing(connection, 'ApiKey', apiKeySchema);
}

/** What is kept of a key. It is as random as the hash is long, so that nothing slower than SHA-256 is needed. */
export function hashApiKey(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Makes a key, or in time nothing: its text is shown to the one who waits for it, and to nobody later.
 *
 * @throws ServiceUnavailableError when MongoDB is away, like everything here
 */
export async function createApiKey(connection: Connection, wanted: NewApiKey): Promise<IssuedApiKey> {
  const keyId = randomBytes(ID_BYTES).toString('hex');
  const text = newText(keyId);
  const stored: StoredApiKey = {
    _id: keyId,
    name: wanted.name,
    scopes: [...wanted.scopes],
    status: 'active',
    hash: hashApiKey(text),
    ...(wanted.expires_at === null ? {} : { expires_at: wanted.expires_at }),
    ...(wanted.rate_limit_per_minute === null ? {} : { rate_limit_per_minute: wanted.rate_limit_per_minute }),
    created_by: wanted.created_by,
    created_at: new Date(),
  };
  const insert = (session: ClientSession) => apiKeys(connection).insertOne(stored, { session });
  await inTransaction(connection, insert, LONGEST_WRITE_MILLISECONDS);
  return { apiKey: toApiKey(stored), text };
}

export async function findApiKey(connection: Connection, keyId: string): Promise<ApiKey | undefined> {
  const found = await apiKeys(connection).findOne({ _id: keyId });
  return found ? toApiKey(found) : undefined;
}

/** Which keys to list, newest first. */
export interface ApiKeyPage {
  readonly status?: ApiKeyStatus | undefined;
  /** The last key of the page before. */
  readonly before?: { readonly at: Date; readonly id: string } | undefined;
  readonly limit: number;
}

export async function listApiKeys(connection: Connection, page: ApiKeyPage): Promise<ApiKey[]> {
  const { status, before, limit } = page;
  const found = await apiKeys(connection)
    .find({
      ...(status ? { status } : {}),
      ...(before
        ? {
            $or: [{ created_at: { $lt: before.at } }, { created_at: before.at, _id: { $lt: before.id } }],
          }
        : {}),
    })
    .sort({ created_at: -1, _id: -1 })
    .limit(limit)
    .toArray();
  return found.map(toApiKey);
}

/**
 * Gives an active key another secret, or in time nothing. The one until now is accepted for the grace, those from rotations
 * before until their own ends; without a grace all of them end.
 *
 * @returns nothing when there is no such key, or it is revoked
 * @throws TooManyPreviousKeysError
 */
export async function rotateApiKey(
  connection: Connection,
  keyId: string,
  graceSeconds: number,
): Promise<IssuedApiKey | undefined> {
  const text = newText(keyId);
  const rotate = async (session: ClientSession) => {
    const current = await apiKeys(connection).findOne({ _id: keyId, status: 'active' }, { session });
    if (!current) return undefined;
    const now = Date.now();
    const kept = previousAfterRotation(toApiKey(current), graceSeconds, now);
    if (!kept) throw new TooManyPreviousKeysError();
    const [previous, ...earlier] = kept;
    const rotated = await apiKeys(connection).findOneAndUpdate(
      { _id: keyId, hash: current.hash },
      {
        $set: {
          hash: hashApiKey(text),
          ...(previous ? { previous } : {}),
          earlier,
          rotated_at: new Date(now),
        },
      },
      { returnDocument: 'after', session },
    );
    return rotated ? { apiKey: toApiKey(rotated), text } : undefined;
  };
  return inTransaction(connection, rotate, LONGEST_WRITE_MILLISECONDS);
}

/**
 * Ends a key. Ending it again changes nothing.
 *
 * @returns the key as it is now, or nothing when there is none
 */
export async function revokeApiKey(connection: Connection, keyId: string): Promise<ApiKey | undefined> {
  const from = API_KEY_STATUSES.filter((status) => NEXT_API_KEY_STATUSES[status].includes('revoked'));
  const revoked = await apiKeys(connection).findOneAndUpdate(
    { _id: keyId, status: { $in: from } },
    { $set: { status: 'revoked', revoked_at: new Date() } },
    { returnDocument: 'after' },
  );
  return revoked ? toApiKey(revoked) : findApiKey(connection, keyId);
}

export async function noteApiKeyUse(connection: Connection, keyId: string, at: Date): Promise<void> {
  await apiKeys(connection).updateOne({ _id: keyId }, { $max: { last_used_at: at } });
}

function apiKeys(connection: Connection) {
  return usable(connection).collection<StoredApiKey>('api_keys');
}

function newText(keyId: string): string {
  return writeApiKey(keyId, randomBytes(SECRET_BYTES).toString('base64url'));
}

function toApiKey(stored: StoredApiKey): ApiKey {
  return {
    key_id: stored._id,
    name: stored.name,
    scopes: stored.scopes,
    status: stored.status,
    hash: stored.hash,
    previous: [...(stored.previous ? [stored.previous] : []), ...(stored.earlier ?? [])],
    expires_at: stored.expires_at ?? null,
    rate_limit_per_minute: stored.rate_limit_per_minute ?? null,
    created_by: stored.created_by,
    created_at: stored.created_at,
    rotated_at: stored.rotated_at ?? null,
    revoked_at: stored.revoked_at ?? null,
    last_used_at: stored.last_used_at ?? null,
  };
}
