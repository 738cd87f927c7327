import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHECK_EVERY_MS = 5;
const STOP_LIMIT_MS = 5_000;

/** A process did not come to a halt. */
export class FreezeError extends Error {
  override name = 'FreezeError';
}

/**
 * Runs `work` while the processes stand still (SIGSTOP), so that the files they write show one moment. A guard wakes them up when this process
 * ends in whatever way: it waits for the end of its input.
 */
export async function whileFrozen<Result>(pids: number[], work: () => Promise<Result>): Promise<Result> {
  const guard = startGuard(pids);
  try {
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    for (const pid of pids) await untilStill(pid);
    return await work();
  } finally {
    guard.stdin?.end();
    await once(guard, 'exit');
  }
}

function startGuard(pids: number[]): ChildProcess {
  const script = `trap '' INT TERM HUP; read -r line; kill -CONT ${pids.join(' ')}`;
  return spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
}

async function untilStill(pid: number): Promise<void> {
  const deadline = Date.now() + STOP_LIMIT_MS;
  while (!(await isStill(pid))) {
    if (Date.now() > deadline)
      throw new FreezeError(`Process ${pid} could not be paused for the backup; try again.`);
    await wait(CHECK_EVERY_MS);
  }
}

/** Whether every thread has stopped; one may still be busy with its last write. */
async function isStill(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') {
    return (await run('ps', ['-o', 'state=', '-p', String(pid)])).stdout.trim().startsWith('T');
  }
  const threads = await readdir(`/proc/${pid}/task`);
  const states = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
  );
  return states.every((state) => state.slice(state.lastIndexOf(')') + 2).startsWith('T'));
}
