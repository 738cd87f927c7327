import type { Environment } from '../../../config/env.ts';
import { DiskStorage } from './disk.ts';
import type { ObjectStorage } from './objectStorage.ts';
import { S3Storage } from './s3.ts';

const S3_TIMEOUT_MILLISECONDS = 8_000;

/** Opens the place where files are kept. Nothing is asked of it yet: one that is away is an outage, not a failed start. */
export function openStorage(environment: Environment): ObjectStorage {
  const { STORAGE_DRIVER, STORAGE_PATH, S3_BUCKET, S3_REGION, S3_ENDPOINT, S3_PATH_STYLE } = environment;
  if (STORAGE_DRIVER === 'disk' || S3_BUCKET === undefined) return new DiskStorage(STORAGE_PATH);
  return new S3Storage({
    bucket: S3_BUCKET,
    region: S3_REGION,
    endpoint: S3_ENDPOINT,
    pathStyle: S3_PATH_STYLE,
    credentials: credentialsOf(environment),
    timeoutMilliseconds: S3_TIMEOUT_MILLISECONDS,
  });
}

function credentialsOf({ S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY }: Environment) {
  if (S3_ACCESS_KEY_ID === undefined || S3_SECRET_ACCESS_KEY === undefined) return undefined;
  return { accessKeyId: S3_ACCESS_KEY_ID, secretAccessKey: S3_SECRET_ACCESS_KEY };
}
