import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { readJsonFile, writeJsonFile } from './jsonFile.ts';

const secretText = z.string().min(16);
const emailLogin = z.object({ email: z.string().min(3), password: secretText });
const usernameLogin = z.object({ username: z.string().min(1), password: secretText });

const credentials = z.object({
  admin: emailLogin.extend({ api_key: secretText }),
  board: usernameLogin,
  seller: z.object({ userName: z.string().min(1) }),
  superadmin: usernameLogin,
  company: emailLogin,
  edge: usernameLogin,
  member: emailLogin,
  credits: z.object({ api_key: secretText, bonus_key: secretText, user_id: z.string().min(1) }),
  /** Of the processes themselves: JWT_SECRET and ENCRYPTION_KEY. */
  secrets: z.object({ jwt: z.string().min(32), encryption_key: z.string().min(16) }),
});

/** The keys, secrets and demo accounts of a data folder. */
export type Credentials = z.infer<typeof credentials>;

export const CREDENTIALS_FILE = 'credentials.json';

/** The file is there, but not usable. */
export class CredentialsError extends Error {
  override name = 'CredentialsError';
}

/**
 * The credentials of a data folder: made from random bytes at its first start, the same ever after. What the file of an
 * earlier release lacks is added to it.
 *
 * @throws {CredentialsError}
 */
export function openCredentials(folder: string): Credentials {
  const file = join(folder, CREDENTIALS_FILE);
  const existing = readExisting(file);
  const complete = existing === undefined ? makeCredentials() : withWhatIsMissing(file, existing);
  if (!isDeepStrictEqual(existing, complete)) writeJsonFile(file, complete);
  return complete;
}

function makeCredentials(): Credentials {
  return {
    admin: { api_key: `mr_admin_${secret()}`, email: 'demo.admin@example.test', password: secret() },
    board: { username: 'board', password: secret() },
    seller: { userName: 'demo.seller' },
    superadmin: { username: 'demo.superadmin', password: secret() },
    company: { email: 'demo.company@example.test', password: secret() },
    edge: { username: 'demo.edge', password: secret() },
    member: { email: 'demo.member@example.test', password: secret() },
    credits: {
      api_key: `mr_credits_${secret()}`,
      bonus_key: `mr_bonus_${secret()}`,
      user_id: 'demo-user',
    },
    secrets: { jwt: secret(48), encryption_key: `k1:${randomBytes(32).toString('base64')}` },
  };
}

function readExisting(file: string): Record<string, unknown> | undefined {
  try {
    const content = readJsonFile(file);
    return content === undefined ? undefined : z.record(z.string(), z.unknown()).parse(content);
  } catch (error) {
    throw notUsable(file, error);
  }
}

/** Section by section: whatever is there stays, and has to be right. */
function withWhatIsMissing(file: string, existing: Record<string, unknown>): Credentials {
  const sections = Object.entries(makeCredentials()).map(([name, made]) => {
    const given = existing[name] ?? {};
    return [name, typeof given === 'object' ? { ...made, ...given } : given];
  });
  const parsed = credentials.safeParse(Object.fromEntries(sections));
  if (!parsed.success) throw notUsable(file, parsed.error);
  return parsed.data;
}

function notUsable(file: string, cause: unknown): CredentialsError {
  return new CredentialsError(
    `${file} is not usable. Restore it from a backup, or remove it: new keys are made at the next start.`,
    { cause },
  );
}

function secret(bytes = 24): string {
  return randomBytes(bytes).toString('base64url');
}
