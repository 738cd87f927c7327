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

/** An icon that is there, for everybody who asks. */
export interface MadeIcon {
  readonly file: IconFile;
  readonly generation_milliseconds: number | null;
  /** The image whose call brought it; nothing when that was not kept. */
  readonly made_by: string | null;
}

/** What a run that wants the icon of a content has to do. */
export type Claim =
  /** Make it. */
  | {
      readonly kind: 'leader';
      /** Calls for it, since its last final result, whose outcome nobody knows. */
      readonly unknown_in_a_row: number;
      /** Calls for it in the current run of calls, whichever image they were made for. */
      readonly attempts: number;
    }
  /** Take it. */
  | ({ readonly kind: 'ready' } & MadeIcon)
  /** Another run makes it, of another image or of this one: look again later. */
  | { readonly kind: 'busy' }
  /** The last call for it failed: look again after that time. */
  | { readonly kind: 'later'; readonly milliseconds: number }
  /** It failed for good, after so many calls, after this image had asked for it. */
  | { readonly kind: 'failed'; readonly reason: string; readonly attempts: number };

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
 * another image when the lease has run out, and to a rerun of the same image once no call of the run before is alive; calls that
 * are pending then were lost by that run and are marked as unknown.
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
    const attempts = found && !isAnotherRun(found, image) ? (found.attempts ?? 0) : 0;
    await takeLease(connection, key, { image, leaseMilliseconds, unknown, attempts }, session);
    return { kind: 'leader', unknown_in_a_row: unknown, attempts };
  });
}

/** The icon, when the call of this very image has brought it. */
export async function findMadeBy(
  connection: Connection,
  key: string,
  imageId: string,
): Promise<MadeIcon | undefined> {
  return madeIcon(await generations(connection).findOne({ _id: key, made_by: imageId }));
}

/** The run that calls for the image is alive. Changes nothing when the right is another's by now. */
export async function keepAlive(connection: Connection, key: string, imageId: string): Promise<void> {
  await generations(connection).updateOne(
    { _id: key, holder: imageId },
    { $set: { alive_until: new Date(Date.now() + ALIVE_MILLISECONDS) } },
  );
}

/** Gives the right back, so that the next one who asks has it. Changes nothing when it is another's by now. */
export async function releaseGeneration(connection: Connection, key: string, imageId: string): Promise<void> {
  await generations(connection).updateOne(
    { _id: key, holder: imageId },
    { $set: { ...NO_LEASE, updated_at: new Date() } },
  );
}

/**
 * Gives the right back after a call. Changes nothing when it is another's by now.
 *
 * @param attempt - `counted` when the call failed: no other one begins for `milliseconds`, for whichever image. `given-back`
 *   when it counts for nothing, as when a limit refused it
 */
export async function postponeGeneration(
  connection: Connection,
  key: string,
  imageId: string,
  { attempt, milliseconds }: { readonly attempt: 'counted' | 'given-back'; readonly milliseconds: number },
): Promise<void> {
  const now = Date.now();
  const released = { ...NO_LEASE, updated_at: new Date(now) };
  await generations(connection).updateOne(
    { _id: key, holder: imageId },
    attempt === 'counted'
      ? { $set: { ...released, not_before: new Date(now + milliseconds) } }
      : { $set: released, $inc: { attempts: -1 } },
  );
}

/**
 * It failed for good, for all who have asked until now. Comes before the image's own end, so that a retry asks later. Changes
 * nothing when the right is another's by now.
 *
 * @param attempts - calls that were made until then
 */
export async function failGeneration(
  connection: Connection,
  key: string,
  imageId: string,
  reason: string,
  attempts: number,
): Promise<void> {
  const now = new Date();
  await generations(connection).updateOne(
    { _id: key, holder: imageId },
    {
      $set: {
        ...NO_LEASE,
        ...NO_CALLS,
        failed_at: now,
        failed_reason: reason,
        failed_attempts: attempts,
        updated_at: now,
      },
    },
  );
}

/**
 * An icon was made and is stored: from now on all who ask get it. One that comes late, when another one was recorded, is
 * listed too, but does not take its place.
 */
export async function recordFile(connection: Connection, recorded: RecordedFile): Promise<void> {
  const {
    key,
    image_id: imageId,
    call_id: callId,
    tokens,
    file,
    metadata,
    generation_milliseconds,
  } = recorded;
  await inTransaction(connection, async (session) => {
    if (callId !== undefined) await deliverCall(connection, callId, tokens, session);
    const found = await generations(connection).findOne({ _id: key }, { session });
    if (!found?.ready) {
      await generations(connection).replaceOne(
        { _id: key },
        readyDocument(fromFile(file), generation_milliseconds, imageId),
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
 * Lets a call begin: the lease has to be the image's, without a call that is alive, and begins anew.
 *
 * @returns false when it has run out or is another's, or another run of the image has begun a call
 */
export async function renewLease(
  connection: Connection,
  key: string,
  imageId: string,
  session: ClientSession,
): Promise<boolean> {
  const now = Date.now();
  const found = await generations(connection).findOne({ _id: key, holder: imageId }, { session });
  if (!found?.lease_until || found.lease_until.getTime() <= now || isAlive(found, now)) return false;
  await generations(connection).updateOne(
    { _id: key, holder: imageId },
    {
      $set: {
        lease_until: new Date(now + found.lease_milliseconds),
        alive_until: new Date(now + ALIVE_MILLISECONDS),
        attempts: (found.attempts ?? 0) + 1,
        not_before: null,
        updated_at: new Date(now),
      },
    },
    { session },
  );
  return true;
}

/**
 * A run whose call is under way says so every few seconds. It is not its job's lock that tells: that one is lost with a
 * connection to Redis, while the call goes on.
 */
const ALIVE_MILLISECONDS = 10_000;
const NO_LEASE = { holder: null, lease_until: null, alive_until: null } as const;
const NO_CALLS = { unknown_in_a_row: 0, attempts: 0, not_before: null } as const;
/** Whoever asks so long after the last try begins a new run of calls. */
const RUN_OVER_MILLISECONDS = 60_000;

/** @returns nothing when the image may make the icon itself */
function claimOn(
  generation: GenerationDocument | null,
  image: Pick<IconImage, 'image_id' | 'asked_at'>,
): Claim | undefined {
  if (!generation) return undefined;
  const made = madeIcon(generation);
  if (made) return { kind: 'ready', ...made };
  const { failed_at: failedAt, failed_reason: reason, holder, lease_until: leaseUntil } = generation;
  const now = Date.now();
  const failed = failedAt?.getTime();
  // One that lies ahead is of a process whose clock is: who asks meanwhile would fail without a call.
  if (failed !== undefined && reason !== null && failed >= image.asked_at && failed <= now) {
    return { kind: 'failed', reason, attempts: generation.failed_attempts ?? 0 };
  }
  const held = holder !== null && leaseUntil !== null && leaseUntil.getTime() > now;
  if (held && (holder !== image.image_id || isAlive(generation, now))) return { kind: 'busy' };
  const milliseconds = (generation.not_before?.getTime() ?? 0) - now;
  return milliseconds > 0 ? { kind: 'later', milliseconds } : undefined;
}

function isAnotherRun({ updated_at }: GenerationDocument, image: Pick<IconImage, 'asked_at'>): boolean {
  return image.asked_at > updated_at.getTime() + RUN_OVER_MILLISECONDS;
}

function madeIcon(generation: GenerationDocument | null): MadeIcon | undefined {
  if (!generation?.file) return undefined;
  const { file, generation_milliseconds, made_by } = generation;
  return { file: toFile(file), generation_milliseconds, made_by: made_by ?? null };
}

function isAlive({ alive_until: aliveUntil }: GenerationDocument, now: number): boolean {
  return (aliveUntil?.getTime() ?? 0) > now;
}

async function takeLease(
  connection: Connection,
  key: string,
  lease: {
    readonly image: Pick<IconImage, 'image_id'>;
    readonly leaseMilliseconds: number;
    readonly unknown: number;
    readonly attempts: number;
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
        alive_until: null,
        unknown_in_a_row: lease.unknown,
        attempts: lease.attempts,
        updated_at: new Date(now),
      },
      $setOnInsert: {
        ready: false,
        file: null,
        generation_milliseconds: null,
        failed_at: null,
        failed_reason: null,
        not_before: null,
      },
    },
    { upsert: true, session },
  );
}

function readyDocument(
  file: NonNullable<GenerationDocument['file']>,
  generation_milliseconds: number | null,
  made_by: string,
): Omit<GenerationDocument, '_id'> {
  return {
    ready: true,
    file,
    generation_milliseconds,
    made_by,
    ...NO_LEASE,
    lease_milliseconds: 0,
    ...NO_CALLS,
    failed_at: null,
    failed_reason: null,
    updated_at: new Date(),
  };
}
