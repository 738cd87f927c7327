/** Makes an archive of large files for a reader that is slower than the disk, and says by how much the memory rose at its peak. */
import { setImmediate } from 'node:timers/promises';
import { zipOf } from '../../src/api/routes/icons/zipStream.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';

const FILES = 40;
const FILE_BYTES = 5_000_000;

const [, , root = ''] = process.argv;
const storage = new DiskStorage(root);
const paths = Array.from({ length: FILES }, (_, index) => `icons/${index}.png`);
const bytes = Buffer.alloc(FILE_BYTES, 7);
for (const path of paths) await storage.put(path, bytes);

const before = process.resourceUsage().maxRSS;
let received = 0;
const entries = paths.map((path, index) => ({ name: `${index}.png`, path, modified_at: Date.now() }));
for await (const piece of zipOf(storage, entries)) {
  received += piece.length;
  await setImmediate();
}
const risenMegabytes = (process.resourceUsage().maxRSS - before) / 1_024;
console.log(JSON.stringify({ received, risenMegabytes }));
