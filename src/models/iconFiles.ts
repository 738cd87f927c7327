import type { Connection } from 'mongoose';
import type { StoredIcon } from '../domain/icons/storedIcon.ts';
import { generations, iconFiles, toStoredIcon } from './iconGenerationDocuments.ts';
import { inTransaction } from './transaction.ts';

export type { StoredIcon } from '../domain/icons/storedIcon.ts';

/** Which stored icons are to be cleared. */
export interface ClearSelection {
  readonly folder?: string | undefined;
  /** Spares what is not older than so many milliseconds. */
  readonly olderThan?: number | undefined;
}

/** Stored icons, of one folder or of all, the newest first. */
export async function listFiles(
  connection: Connection,
  folder: string | undefined,
  limit: number,
): Promise<StoredIcon[]> {
  const found = await iconFiles(connection)
    .find(folder === undefined ? {} : { folder })
    .sort({ created_at: -1, _id: -1 })
    .limit(limit)
    .toArray();
  return found.map(toStoredIcon);
}

export async function findFile(connection: Connection, path: string): Promise<StoredIcon | undefined> {
  const found = await iconFiles(connection).findOne({ _id: path });
  return found ? toStoredIcon(found) : undefined;
}

/** From now on clearing spares the file. @returns false when there is none */
export async function markSaved(connection: Connection, path: string): Promise<boolean> {
  const marked = await iconFiles(connection).updateOne({ _id: path }, { $set: { saved: true } });
  return marked.matchedCount === 1;
}

/**
 * Forgets stored icons that nobody has saved, the eldest first: they are listed no more, and made again for whoever asks.
 *
 * @returns what is to be removed from the storage now, at most `limit`
 */
export async function takeFilesToClear(
  connection: Connection,
  { folder, olderThan }: ClearSelection,
  limit: number,
): Promise<StoredIcon[]> {
  const oldEnough = olderThan === undefined ? {} : { created_at: { $lt: new Date(Date.now() - olderThan) } };
  return inTransaction(connection, async (session) => {
    const taken = await iconFiles(connection)
      .find({ saved: false, ...(folder === undefined ? {} : { folder }), ...oldEnough }, { session })
      .sort({ created_at: 1, _id: 1 })
      .limit(limit)
      .toArray();
    if (taken.length === 0) return [];
    const paths = taken.map((file) => file._id);
    await iconFiles(connection).deleteMany({ _id: { $in: paths } }, { session });
    await generations(connection).deleteMany(
      { _id: { $in: taken.map((file) => file.content_key) }, 'file.path': { $in: paths } },
      { session },
    );
    return taken.map(toStoredIcon);
  });
}
