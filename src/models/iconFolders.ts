import type { Connection } from 'mongoose';
import { iconFiles } from './iconGenerationDocuments.ts';

/** Those of the folders in which icons are stored. */
export async function foldersWithIcons(
  connection: Connection,
  folders: readonly string[],
): Promise<ReadonlySet<string>> {
  return new Set(await iconFiles(connection).distinct('folder', { folder: { $in: [...folders] } }));
}
