import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile, writeJsonFile } from './jsonFile.ts';

const credentials = z.object({
  admin: z.object({ api_key: z.string().min(16) }),
  board: z.object({ username: z.string().min(1), password: z.string().min(16) }),
  seller: z.object({ userName: z.string().min(1) }),
});

/** The keys and demo users of a data folder. */
export type Credentials = z.infer<typeof credentials>;

export const CREDENTIALS_FILE = 'credentials.json';

/** The file is there, but not usable. */
export class CredentialsError extends Error {
  override name = 'CredentialsError';
}

/**
 * The credentials of a data folder: made from random bytes at its first start, the same ever after.
 *
 * @throws {CredentialsError}
 */
export function openCredentials(folder: string): Credentials {
  const file = join(folder, CREDENTIALS_FILE);
  const existing = readExisting(file);
  if (existing) return existing;
  const made: Credentials = {
    admin: { api_key: `mr_admin_${secret()}` },
    board: { username: 'board', password: secret() },
    seller: { userName: 'demo.seller' },
  };
  writeJsonFile(file, made);
  return made;
}

function readExisting(file: string): Credentials | undefined {
  try {
    const content = readJsonFile(file);
    return content === undefined ? undefined : credentials.parse(content);
  } catch (error) {
    throw new CredentialsError(
      `${file} is not usable. Restore it from a backup, or remove it: new keys are made at the next start.`,
      { cause: error },
    );
  }
}

function secret(): string {
  return randomBytes(24).toString('base64url');
}
