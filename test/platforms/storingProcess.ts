/** Stores files without end, until it is killed. */
import { DiskStorage } from '../../src/platforms/storage/disk.ts';

const [, , root = '', fileBytes = '0'] = process.argv;
const storage = new DiskStorage(root);
for (let index = 0; ; index++) {
  await storage.put(`icons/${index}.png`, Buffer.alloc(Number(fileBytes), index % 256));
  if (index % 10 === 0) console.log(`Stored ${index}`);
}
