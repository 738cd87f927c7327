import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(new URL('../../.env', import.meta.url));

/** Reads `.env` beside package.json, if there is one; what the environment says already stands. */
export function loadDotEnv(): void {
  if (existsSync(FILE)) process.loadEnvFile(FILE);
}
