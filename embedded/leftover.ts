import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHECK_EVERY_MS = 50;
const END_LIMIT_MS = 5_000;

/**
 * Ends the server that an earlier, killed parent left running on a folder: two servers on the same files would ruin
 * them. The pid in the file may belong to somebody else by now, so the process has to name the folder in its command line.
 */
export async function endLeftover(pidFile: string, folder: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  if (!(await commandLine(pid)).includes(folder)) return;

  process.kill(pid, 'SIGKILL');
  const deadline = Date.now() + END_LIMIT_MS;
  while (Date.now() < deadline && (await commandLine(pid)).includes(folder)) {
    await new Promise((resolve) => setTimeout(resolve, CHECK_EVERY_MS));
  }
}

/** The words a process was started with; empty when it does not run. */
async function commandLine(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  }
  const { stdout } = await run('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim().split(/\s+/);
}
