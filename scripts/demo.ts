/** `npm run --silent demo`: prints what is needed to try the running system, as JSON and nothing else. */
import { DataFolderError, dataFolder, findHolder } from './start/dataFolder.ts';
import { loadDotEnv } from './start/dotEnv.ts';

try {
  loadDotEnv();
  printDemo(dataFolder());
} catch (error) {
  if (!(error instanceof DataFolderError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

function printDemo(folder: string): void {
  const holder = findHolder(folder);
  if (holder?.demo) {
    process.stdout.write(`${JSON.stringify(holder.demo, undefined, 2)}\n`);
  } else {
    const reason = holder
      ? `${holder.activity} (pid ${holder.pid}) is not ready yet`
      : 'nothing runs; start it with npm start';
    process.stderr.write(`No demo data for ${folder}: ${reason}.\n`);
    process.exitCode = 1;
  }
}
