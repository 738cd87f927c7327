/** Another server holds the data file. */
export class DataFileInUse extends Error {
  constructor(file: string) {
    super(
      `${file} is in use by another embedded MongoDB server. Stop that one first, or choose another --file.`,
    );
    this.name = 'DataFileInUse';
  }
}

/** The data file, or its write-ahead log, is not what this server wrote. Nothing was changed. */
export class DataFileDamaged extends Error {
  constructor(
    file: string,
    finding: string,
    remedy = 'Restore the file (and its -wal, if any) from a backup; keep a copy of the damaged one.',
  ) {
    super(
      `${file} is damaged: ${finding}. The server does not start, so that nothing is lost silently. ${remedy}`,
    );
    this.name = 'DataFileDamaged';
  }
}

/** SQLite could not write: a full disk, a file system error. */
export class CommitFailed extends Error {
  constructor(file: string, reason: string) {
    super(
      `Writing to ${file} failed: ${reason}. The server stops, because memory is ahead of the disk; acknowledged writes are on disk. Free space or repair the disk, then start it again.`,
    );
    this.name = 'CommitFailed';
  }
}
