import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** The value of a JSON file, or undefined when there is no such file. Throws SyntaxError when it is not JSON. */
export function readJsonFile(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a file as a whole, readable by its owner only. */
export function writeJsonFile(file: string, value: unknown): void {
  const next = `${file}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(next, file);
}

export function removeFile(file: string): void {
  rmSync(file, { force: true });
}
