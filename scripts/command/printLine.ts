/** Prints a line of a command's result. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
