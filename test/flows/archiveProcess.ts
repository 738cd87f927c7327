/** Sends an archive that never ends, and says when a piece of it was taken: `node archiveProcess.ts <root of the storage>`. */
import { ArchiveKeeper } from '../../src/api/routes/icons/archiveKeeper.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';

const [, , root = ''] = process.argv;
const keeper = new ArchiveKeeper(new DiskStorage(root));
async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.alloc(100_000);
}
const archive = {
  path: 'archives/one/archive.zip',
  folder: 'archives/one',
  isWhole: () => true,
  isWanted: () => Promise.resolve(true),
  onError: (error: unknown) => console.error(error),
};
for await (const piece of keeper.keep(endless(), archive)) process.stdout.write(`${piece.length}\n`);
