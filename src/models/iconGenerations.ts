import type { ClientSession, Connection } from 'mongoose';
import type { IconFile, IconImage } from '../domain/icons/icon.ts';
import type { StoredIconMetadata } from '../domain/icons/storedIcon.ts';
import { deliverCall, giveUpCallsOf } from './iconCalls.ts';
import {
  fromFile,
  type GenerationDocument,
  generations,
  iconFiles,
  toFile,
} from './iconGenerationDocuments.ts';
import { inTransaction } from './transaction.ts';

/** What a run that wants the icon of a content has to do. */
export type Claim =
  /** Make it. `unknown_in_a_row` calls for it, since its last final result, have an outcome that nobody knows. */
  | { readonly kind: 'leader'; readonly unknown_in_a_row: number }
  /** Take it. */
  | { readonly kind: 'ready'; readonly file: IconFile; readonly generation_milliseconds: number | null }
  /** Another image's run makes it: look again later. */
  | { readonly kind: 'busy' }
  /** It failed for good after this image had asked for it. */
  | { readonly kind: 'failed'; readonly reason: string };

/** A stored file, and what it came from. */
export interface RecordedFile {
  /** The content key. */
  readonly key: string;
  readonly image_id: string;
  /** The paid call that brought it. */
  readonly call_id: string | undefined;
  /** Tokens that were charged. */
  readonly tokens: number | null;
  readonly file: IconFile;
  readonly metadata: StoredIconMetadata;
  readonly generation_milliseconds: number | null;
}

/**
 * Looks for the icon of a content, or takes the right to make it: one image has it at a time over the fleet. It goes to
 * another image when the lease has run out, and to a rerun of the same image at once; calls that are pending then were
 * lost by the run before and are marked as unknown.
 *
 * @param leaseMilliseconds - longer than one call takes with what follows it; begins anew with the call
 */
export async function claimGeneration(
  connection: Connection,
  key: string,
  image: Pick<IconImage, 'image_id' | 'asked_at'>,
  leaseMilliseconds: number,
): Promise<Claim> {
  // Most who ask find it made, or being made, and need no transaction for that.
  const known = claimOn(await generations(connection).findOne({ _id: key }), image);
  if (known) return known;
  return inTransaction(connection, async (session) => {
    const found = await generations(connection).findOne({ _id: key }, { session });
    const other = claimOn(found, image);
    if (other) return other;
    const lost = await giveUpCallsOf(connection, key, session);
    const unknown = (found?.unknown_in_a_row ?? 0) + lost;
    await takeLease(connection, key, { image, leaseMilliseconds, unknown }, session);
    return { kind: 'leader', unknown_in_a_row: unknown };
  });
}

/** Gives the right back, so that the next one who asks has it. Changes nothing when it is another's by now. */
export async function releaseGeneration(connection: Connection, key: string, imageId: string): Promise<void> {
  await generations(connection).updateOne(
    { _id: key, holder: imageId },
    { $set: { ...NO_LEASE, updated_at: new Date() } },
  );
}

/**
 * It failed for good, for all who have asked until now. Comes before the image's own end, so that a retry asks later. Changes
 * nothing when the right is another's by now.
 */
export async function failGeneration(
  connection: Connection,
  key: string,
  imageId: string,
  reason: string,
): Promise<void> {
  const now = new Date();
  await generations(connection).updateOne(
    { _id: key, holder: imageId },
    { $set: { ...NO_LEASE, unknown_in_a_row: 0, failed_at: now, failed_reason: reason, updated_at: now } },
  );
}

/**
 * An icon was made and is stored: from now on all who ask get it. One that comes late, when another one was recorded, is
 * listed too, but does not take its place.
 */
export async function recordFile(connection: Connection, recorded: RecordedFile): Promise<void> {
  const { key, call_id: callId, tokens, file, metadata, generation_milliseconds } = recorded;
  await inTransaction(connection, async (session) => {
    if (callId !== undefined) await deliverCall(connection, callId, tokens, session);
    const found = await generations(connection).findOne({ _id: key }, { session });
    if (!found?.ready) {
      await generations(connection).replaceOne(
        { _id: key },
        readyDocument(fromFile(file), generation_milliseconds),
        { upsert: true, session },
      );
    }
    const { path, ...fields } = fromFile(file);
    await iconFiles(connection).updateOne(
      { _id: path },
      { $setOnInsert: { ...fields, content_key: key, generation_milliseconds, metadata, saved: false } },
      { upsert: true, session },
    );
  });
}

/**
 * The file is gone from the storage: it is made again for the next one who asks, and listed no more, unless it was saved to a
 * workspace, which holds its address: a file that is put back has to be spared as before.
 */
export async function forgetFile(connection: Connection, key: string, path: string): Promise<void> {
  await inTransaction(connection, async (session) => {
    await iconFiles(connection).deleteOne({ _id: path, saved: false }, { session });
    await generations(connection).deleteOne({ _id: key, 'file.path': path }, { session });
  });
}

/**
 * Lets a call begin: the lease has to be the image's, and begins anew.
 *
 * @returns false when it has run out or is another's
 */
export async function renewLease(
  connection: Connection,
  key: string,
  imageId: string,
  session: ClientSession,
): Promise<boolean> {
  const now = Date.now();
  const found = await generations(connection).findOne({ _id: key, holder: imageId }, { session });
  if (!found?.lease_until || found.lease_until.getTime() <= now) return false;
  await generations(connection).updateOne(
    { _id: key, holder: imageId },
    { $set: { lease_until: new Date(now + found.lease_milliseconds), updated_at: new Date(now) } },
    { session },
  );
  return true;
}

const NO_LEASE = { holder: null, lease_until: null } as const;

/** @returns nothing when the image may make the icon itself */
function claimOn(
  generation: GenerationDocument | null,
  image: Pick<IconImage, 'image_id' | 'asked_at'>,
): Claim | undefined {
  if (!generation) return undefined;
  const { file, generation_milliseconds, holder, lease_until: leaseUntil } = generation;
  if (file) return { kind: 'ready', file: toFile(file), generation_milliseconds };
  const { failed_at: failedAt, failed_reason: reason } = generation;
  if (failedAt && reason !== null && failedAt.getTime() >= image.asked_at) return { kind: 'failed', reason };
  const held = holder !== null && leaseUntil !== null && leaseUntil.getTime() > Date.now();
  return held && holder !== image.image_id ? { kind: 'busy' } : undefined;
}

async function takeLease(
  connection: Connection,
  key: string,
  lease: {
    readonly image: Pick<IconImage, 'image_id'>;
    readonly leaseMilliseconds: number;
    readonly unknown: number;
  },
  session: ClientSession,
): Promise<void> {
  const now = Date.now();
  await generations(connection).updateOne(
    { _id: key },
    {
      $set: {
        holder: lease.image.image_id,
        lease_until: new Date(now + lease.leaseMilliseconds),
        lease_milliseconds: lease.leaseMilliseconds,
        unknown_in_a_row: lease.unknown,
        updated_at: new Date(now),
      },
      $setOnInsert: {
        ready: false,
        file: null,
        generation_milliseconds: null,
        failed_at: null,
        failed_reason: null,
      },
    },
    { upsert: true, session },
  );
}

function readyDocument(
  file: NonNullable<GenerationDocument['file']>,
  generation_milliseconds: number | null,
): Omit<GenerationDocument, '_id'> {
  return {
    ready: true,
    file,
    generation_milliseconds,
    ...NO_LEASE,
    lease_milliseconds: 0,
    unknown_in_a_row: 0,
    failed_at: null,
    failed_reason: null,
    updated_at: new Date(),
  };
}
