import type { ClientSession, Connection, mongo } from 'mongoose';
import { normalizedCategory } from '../domain/icons/categories.ts';
import { folderNamed, iconFolder } from '../domain/icons/iconPath.ts';
import type { StoredIcon } from '../domain/icons/storedIcon.ts';
import { generations, type IconFileDocument, iconFiles, toStoredIcon } from './iconGenerationDocuments.ts';
import { inTransaction } from './transaction.ts';

/** Which stored icons are to be cleared. */
export interface ClearSelection {
  readonly category?: string | undefined;
  /** Spares what is not older than so many milliseconds. */
  readonly olderThan?: number | undefined;
}

/** Stored icons, as MongoDB looks for them. */
export type FileFilter = mongo.Filter<IconFileDocument>;

/** Stored icons, of one category or of all, the newest first. */
export async function listFiles(
  connection: Connection,
  category: string | undefined,
  limit: number,
): Promise<StoredIcon[]> {
  const found = await iconFiles(connection)
    .find(await filesOf(connection, category))
    .sort({ created_at: -1, _id: -1 })
    .limit(limit)
    .toArray();
  return found.map(toStoredIcon);
}

export async function findFile(connection: Connection, path: string): Promise<StoredIcon | undefined> {
  const found = await iconFiles(connection).findOne({ _id: path });
  return found ? toStoredIcon(found) : undefined;
}

/** Which of these files are there: as the session sees it, or now. */
export async function findPaths(
  connection: Connection,
  paths: readonly string[],
  session?: ClientSession,
): Promise<string[]> {
  const options = { ...(session ? { session } : {}), projection: { _id: 1 } };
  const found = iconFiles(connection).find({ _id: { $in: [...paths] } }, options);
  return (await found.toArray()).map(({ _id }) => _id);
}

/** From now on clearing spares the files. @returns how many of them there are */
export async function markSaved(
  connection: Connection,
  paths: readonly string[],
  session?: ClientSession,
): Promise<number> {
  const marked = await iconFiles(connection).updateMany(
    { _id: { $in: [...paths] } },
    { $set: { saved: true } },
    session ? { session } : {},
  );
  return marked.matchedCount;
}

/** Finds out once what a selection means, for a clearing that takes many times. */
export async function selectFilesToClear(
  connection: Connection,
  { category, olderThan }: ClearSelection,
): Promise<FileFilter> {
  const oldEnough = olderThan === undefined ? {} : { created_at: { $lt: new Date(Date.now() - olderThan) } };
  return { ...(await filesOf(connection, category)), ...oldEnough };
}

/**
 * Forgets stored icons that nobody has saved, the eldest first: they are listed no more, and made again for whoever asks.
 *
 * @param selected - by `selectFilesToClear`
 * @returns what is to be removed from the storage now, at most `limit`
 */
export async function takeFilesToClear(
  connection: Connection,
  selected: FileFilter,
  limit: number,
): Promise<StoredIcon[]> {
  return inTransaction(connection, async (session) => {
    const taken = await iconFiles(connection)
      .find({ ...selected, saved: false }, { session })
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

/**
 * Finds a category by the name of its folder, as lists show it, or by the name that icons were asked for with, which may lie in a
 * folder of another name. The folder alone does not do for the second: other names lead to it too.
 */
async function filesOf(connection: Connection, category: string | undefined): Promise<FileFilter> {
  if (category === undefined) return {};
  const folder = iconFolder(category);
  const name = normalizedCategory(category);
  const names: string[] = await iconFiles(connection).distinct('metadata.category', { folder });
  const spellings = names.filter((one) => normalizedCategory(one) === name);
  return {
    $or: [{ folder: folderNamed(category) }, { folder, 'metadata.category': { $in: spellings } }],
  };
}
