import { resolve } from 'node:path';
import { SECRET_VARIABLES } from '../../config/env.ts';
import { displayName } from '../start/dataFolder.ts';
import { FILES } from './entries.ts';

/** What of the system no backup of its data folder holds, because the environment says where it is. */
export interface OutsideBackup {
  /** Where the files are, in words; absent when they are in the data folder. */
  readonly files: string | undefined;
  /** Names of variables, such as `ENCRYPTION_KEY`. */
  readonly keys: readonly string[];
}

/** Looks at the environment as `npm start` does: it goes before the data folder. */
export function findOutsideBackup(folder: string, variables: NodeJS.ProcessEnv): OutsideBackup {
  return {
    files: filesOutside(folder, variables),
    keys: SECRET_VARIABLES.filter((name) => variables[name]?.trim()),
  };
}

function filesOutside(folder: string, variables: NodeJS.ProcessEnv): string | undefined {
  const { STORAGE_DRIVER, STORAGE_PATH, S3_BUCKET } = variables;
  if (STORAGE_DRIVER === 's3' && S3_BUCKET) return `the bucket ${S3_BUCKET}`;
  if (!STORAGE_PATH || resolve(STORAGE_PATH) === resolve(folder, FILES)) return undefined;
  return displayName(resolve(STORAGE_PATH));
}
