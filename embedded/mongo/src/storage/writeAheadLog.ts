import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { DataFileDamaged } from './errors.ts';

// SQLite ends its recovery at the first damaged frame of the write-ahead log and silently drops what follows,
// acknowledged or not. This check reads the log before SQLite does (https://sqlite.org/fileformat2.html#walformat)
// and tells a torn, never acknowledged tail from damage in front of commits that were acknowledged.

const headerBytes = 32;
const frameHeaderBytes = 24;

/**
 * @param uncleanStop whether the last server on this file did not stop by itself; then the log must exist
 * @throws DataFileDamaged when acknowledged commits could be missing
 */
export function checkWriteAheadLog(file: string, uncleanStop: boolean): void {
  const log = `${file}-wal`;
  const size = existsSync(log) ? statSync(log).size : 0;
  if (size <= headerBytes) {
    if (uncleanStop) {
      throw new DataFileDamaged(
        log,
        `it is ${size === 0 ? 'missing or empty' : 'cut off'}, although the last server did not stop cleanly`,
      );
    }
    return;
  }
  const descriptor = openSync(log, 'r');
  try {
    walkFrames(descriptor, log);
  } finally {
    closeSync(descriptor);
  }
}

function walkFrames(descriptor: number, log: string): void {
  const header = Buffer.alloc(headerBytes);
  readSync(descriptor, header, 0, headerBytes, 0);
  const magic = header.readUInt32BE(0);
  const bigEndian = magic === 0x377f0683;
  let sums = checksum(header.subarray(0, 24), bigEndian, [0, 0]);
  if (
    (!bigEndian && magic !== 0x377f0682) ||
    sums[0] !== header.readUInt32BE(24) ||
    sums[1] !== header.readUInt32BE(28)
  ) {
    throw new DataFileDamaged(log, 'its header is not that of a write-ahead log');
  }
  const pageBytes = header.readUInt32BE(8);
  const frame = Buffer.alloc(frameHeaderBytes + pageBytes);
  const { size } = fstatSync(descriptor);
  let damagedAt: number | null = null;
  for (let offset = headerBytes; offset + frame.length <= size; offset += frame.length) {
    readSync(descriptor, frame, 0, frame.length, offset);
    const sameGeneration = frame.compare(header, 16, 24, 8, 16) === 0;
    if (damagedAt === null) {
      sums = checksum(frame.subarray(0, 8), bigEndian, sums);
      sums = checksum(frame.subarray(frameHeaderBytes), bigEndian, sums);
      const intact =
        sameGeneration && sums[0] === frame.readUInt32BE(16) && sums[1] === frame.readUInt32BE(20);
      if (!intact) damagedAt = offset;
    }
    if (damagedAt !== null && sameGeneration && frame.readUInt32BE(4) !== 0) {
      throw new DataFileDamaged(
        log,
        `the frame at byte ${damagedAt} is broken, and commits follow it`,
        `Restore a backup. To go on without what was written since the damage instead, copy the files away and run: truncate -s ${damagedAt} '${log}'`,
      );
    }
  }
}

type Sums = readonly [number, number];

function checksum(bytes: Buffer, bigEndian: boolean, start: Sums): Sums {
  let [first, second] = start;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let offset = 0; offset < bytes.length; offset += 8) {
    first = (first + view.getUint32(offset, !bigEndian) + second) >>> 0;
    second = (second + view.getUint32(offset + 4, !bigEndian) + first) >>> 0;
  }
  return [first, second];
}
