import { styleText } from 'node:util';
import { readableLogLine } from './logLine.ts';

const NAME_WIDTH = 9;

/** Where the supervisor and its processes write: one stream, each line with the name of who wrote it. */
export interface Output {
  /** A line of the supervisor itself. */
  say(text: string): void;
  /** A line that a process wrote. */
  pass(name: string, line: string): void;
}

/** @param format - `json` passes the lines of the processes untouched, for a log collector */
export function openOutput(format: string | undefined): Output {
  // A terminal that was closed is no reason to fail: the signal that comes with it stops the system in order.
  process.stdout.on('error', () => {});
  const write = (text: string) => process.stdout.write(`${text}\n`);
  if (format === 'json') {
    const say = (text: string) => {
      for (const line of text.split('\n')) process.stderr.write(`${line}\n`);
    };
    return { say, pass: (_name, line) => write(line) };
  }
  return {
    say: write,
    pass(name, line) {
      const text = readableLogLine(line);
      if (text !== undefined) write(`${styleText('cyan', name.padEnd(NAME_WIDTH))} ${text}`);
    },
  };
}
