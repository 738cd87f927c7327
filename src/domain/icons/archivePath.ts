/** Where the archives of a batch are kept, below the root of the storage. */
export function archiveFolder(batchId: string): string {
  return `archives/${batchId}`;
}

/** @param contentHash - of what is in it: with other icons it is another archive */
export function archivePath(batchId: string, contentHash: string): string {
  return `${archiveFolder(batchId)}/${contentHash}.zip`;
}
