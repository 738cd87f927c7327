import { readFile } from 'node:fs/promises';

/** How long a process has computed so far, in ticks of a hundredth of a second; unlike a duration it knows nothing of other processes. */
export async function cpuTicksOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, which may hold anything, ends with the last bracket: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
