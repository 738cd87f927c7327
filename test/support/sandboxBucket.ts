import { onTestFinished } from 'vitest';
import { type ObjectStore, startObjectStore } from '../../sandbox/objectStore.ts';
import { type S3Settings, S3Storage } from '../../src/platforms/storage/s3.ts';

/** The bucket of a store that can be made to behave badly. */
export function bucketOf(store: ObjectStore, other: Partial<S3Settings> = {}): S3Storage {
  return new S3Storage({
    bucket: store.bucket,
    region: 'us-east-1',
    endpoint: store.url,
    pathStyle: true,
    credentials: store.keys,
    timeoutMilliseconds: 5_000,
    ...other,
  });
}

/** Such a store and its bucket, until the running test is over. */
export async function openSandboxBucket() {
  const store = await startObjectStore();
  onTestFinished(() => store.close());
  return { store, bucket: bucketOf(store, { timeoutMilliseconds: 3_000 }) };
}
