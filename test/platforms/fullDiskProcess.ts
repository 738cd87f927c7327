/** Stores files in a folder that has no room for the second one, and says what became of them. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';
import { isOutage } from '../../src/runtime/outage.ts';

const [, , root = ''] = process.argv;
const storage = new DiskStorage(root);

await storage.put('icons/first.png', Buffer.alloc(300_000, 1));
const error = await storage
  .put('icons/too-large.png', Buffer.alloc(3_000_000, 2))
  .catch((thrown: unknown) => thrown);
await storage.put('icons/third.png', Buffer.alloc(300_000, 3));

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
  lstatSync(join(root, name)).isFile(),
);
console.log(
  JSON.stringify({
    error: error instanceof Error ? error.name : null,
    outage: isOutage(error),
    files: Object.fromEntries(files.sort().map((name) => [name, lstatSync(join(root, name)).size])),
  }),
);
