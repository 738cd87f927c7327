import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Where the code is; a folder that does not exist yet is left out. */
const SOURCE_FOLDERS = ['config', 'src', 'embedded', 'sandbox', 'scripts', 'bench'];

/** How a check went; `output` is what it found. */
export interface CheckResult {
  name: string;
  ok: boolean;
  seconds: number;
  output: string;
}

export function checkTypes(): Promise<CheckResult> {
  return check('types', 'tsc', ['--project', '.', '--pretty', 'false']);
}

export function checkLint(): Promise<CheckResult> {
  return check('lint', 'biome', ['check', '--diagnostic-level=warn', '--error-on-warnings', '.']);
}

/** The rules of .dependency-cruiser.mjs, for the code below `root`. */
export async function checkArchitecture(root = ROOT): Promise<CheckResult> {
  const folders = SOURCE_FOLDERS.filter((folder) => existsSync(join(root, folder)));
  const rules = join(ROOT, '.dependency-cruiser.mjs');
  const result = await check('architecture', 'depcruise', ['--config', rules, ...folders], root);
  // A parser that reads nothing finds nothing wrong.
  const imports = Number(/(\d+) dependencies/.exec(result.output)?.[1] ?? 0);
  return imports > 0 ? result : { ...result, ok: false, output: `No import was read.\n${result.output}` };
}

async function check(name: string, command: string, args: string[], root = ROOT): Promise<CheckResult> {
  const startedAt = performance.now();
  const { code, output } = await run(join(ROOT, 'node_modules/.bin', command), args, root);
  return { name, ok: code === 0, seconds: (performance.now() - startedAt) / 1000, output };
}

function run(command: string, args: string[], cwd: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', (error) => resolve({ code: null, output: error.message }));
    child.once('close', (code) => resolve({ code, output: Buffer.concat(chunks).toString('utf8') }));
  });
}
