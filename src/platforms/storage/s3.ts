import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { assertObjectPath } from './objectPath.ts';
import type { ByteRange, ObjectStorage, Put, StoredObject } from './objectStorage.ts';
import { ReadAhead } from './readAhead.ts';
import { rememberSuccess } from './rememberSuccess.ts';
import { StorageFullError, StorageUnavailableError } from './storageErrors.ts';

export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /** Of a server that is not Amazon's. */
  readonly endpoint: string | undefined;
  /** `<endpoint>/<bucket>/<path>` in place of `<bucket>.<endpoint>/<path>`. */
  readonly pathStyle: boolean;
  /** Without it the SDK looks where Amazon's tools do: its own environment variables, files, the machine's role. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** For one attempt until the answer begins; four times as long for a pause in it. */
  readonly timeoutMilliseconds: number;
}

type NewObject = Pick<PutObjectCommandInput, 'Bucket' | 'Key' | 'ContentType' | 'IfNoneMatch'>;

const CONNECTION_MILLISECONDS = 2_000;
/** A request that came to nothing is sent again at once; waiting longer is the business of the queue and the client. */
const ATTEMPTS = 3;
const MOST_CONNECTIONS = 50;
/** A pause also comes from a client of ours that reads slowly, and whose image should not be cut off for that. */
const LONGER_FOR_PAUSES = 4;
/** Of an icon's size and more: a client that reads slowly shall not keep a connection. Archives are larger. */
const READ_AHEAD = { bytes: 67_108_864, largestBytes: 8_388_608, waiting: MOST_CONNECTIONS / 2 } as const;
const BUCKET_IS_THERE_MILLISECONDS = 10_000;

/** A bucket of Amazon S3, or of a server that speaks its protocol. */
export class S3Storage implements ObjectStorage {
  readonly #bucket: string;
  readonly #client: S3Client;
  readonly #readAhead = new ReadAhead(READ_AHEAD);
  readonly #requireBucket = rememberSuccess(async () => {
    await asStorageError(() => this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket })));
  }, BUCKET_IS_THERE_MILLISECONDS);

  constructor({ bucket, region, endpoint, pathStyle, credentials, timeoutMilliseconds }: S3Settings) {
    this.#bucket = bucket;
    this.#client = new S3Client({
      region,
      forcePathStyle: pathStyle,
      maxAttempts: ATTEMPTS,
      // Servers that are not Amazon's do not all know the checksums that the SDK adds by itself.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: Math.min(CONNECTION_MILLISECONDS, timeoutMilliseconds),
        requestTimeout: timeoutMilliseconds,
        throwOnRequestTimeout: true,
        socketTimeout: LONGER_FOR_PAUSES * timeoutMilliseconds,
        httpAgent: { maxSockets: MOST_CONNECTIONS },
        httpsAgent: { maxSockets: MOST_CONNECTIONS },
      },
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials }),
    });
  }

  async put(path: string, bytes: Buffer, contentType: string): Promise<Put> {
    const object = this.#newObject(path, contentType);
    return asStorageError(() => this.#send({ ...object, Body: bytes }));
  }

  /** Closing the file ends its streams too, which nobody reads on once the server has refused. */
  async putFile(path: string, file: FileHandle, contentType: string): Promise<Put> {
    const object = this.#newObject(path, contentType);
    return asStorageError(() => this.#sendFile(object, file));
  }

  /** The SDK sends no stream a second time, as it cannot read it again. */
  async #sendFile(object: NewObject, source: FileHandle): Promise<Put> {
    const { size } = await source.stat();
    for (let attempt = 1; ; attempt++) {
      const ending = new AbortController();
      const stream = source.createReadStream({ start: 0, autoClose: false });
      try {
        return await this.#send({ ...object, Body: stream, ContentLength: size }, ending.signal);
      } catch (error) {
        if (attempt === ATTEMPTS || !mayBeSentAgain(error)) throw error;
      } finally {
        // A server that answers before it has read everything would wait for the rest, and keep its connection.
        ending.abort();
      }
    }
  }

  async #send(object: PutObjectCommandInput, signal?: AbortSignal): Promise<Put> {
    try {
      await this.#client.send(new PutObjectCommand(object), signal ? { abortSignal: signal } : {});
      return 'stored';
    } catch (error) {
      if (statusOf(error) === PRECONDITION_FAILED) return 'was-there';
      throw error;
    }
  }

  async stat(path: string): Promise<StoredObject | undefined> {
    const object = this.#object(path);
    const found = await ifThere(() => this.#client.send(new HeadObjectCommand(object)));
    if (!found) {
      // HEAD is answered without a body, which would tell a missing bucket apart.
      await this.#requireBucket();
      return undefined;
    }
    return { size: found.ContentLength ?? 0, modified_at: found.LastModified?.getTime() ?? 0 };
  }

  async read(path: string, range?: ByteRange): Promise<Readable | undefined> {
    const object = { ...this.#object(path), ...(range ? { Range: `bytes=${range.from}-${range.to}` } : {}) };
    const found = await ifThere(() => this.#client.send(new GetObjectCommand(object)));
    // On Node the SDK hands over the answer's own stream.
    if (!(found?.Body instanceof Readable)) return undefined;
    const stream = this.#readAhead.add(found.Body, found.ContentLength);
    if (!stream) throw new StorageUnavailableError();
    return stream;
  }

  async remove(path: string): Promise<void> {
    const object = this.#object(path);
    await asStorageError(() => this.#client.send(new DeleteObjectCommand(object)));
  }

  async removeFolder(folder: string): Promise<void> {
    assertObjectPath(folder);
    const below = { Bucket: this.#bucket, Prefix: `${folder}/` };
    for (;;) {
      const page = await asStorageError(() => this.#client.send(new ListObjectsV2Command(below)));
      const keys = page.Contents?.flatMap(({ Key }) => (Key === undefined ? [] : [Key])) ?? [];
      for (const Key of keys) {
        await asStorageError(() => this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key })));
      }
      if (!page.IsTruncated || keys.length === 0) return;
    }
  }

  locationOf(path: string): string {
    return `s3://${this.#bucket}/${this.#object(path).Key}`;
  }

  #newObject(path: string, contentType: string): NewObject {
    // Looking first would leave a gap, and takes the right to list the bucket: without it a missing object is answered with 403.
    return { ...this.#object(path), ContentType: contentType, IfNoneMatch: '*' };
  }

  #object(path: string): { readonly Bucket: string; readonly Key: string } {
    assertObjectPath(path);
    return { Bucket: this.#bucket, Key: path };
  }
}

/** @returns nothing when the object is not there */
async function ifThere<T>(request: () => Promise<T>): Promise<T | undefined> {
  return asStorageError(async () => {
    try {
      return await request();
    } catch (error) {
      if (error instanceof S3ServiceException && NOT_THERE.has(error.name)) return undefined;
      throw error;
    }
  });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList; HEAD answers without a code. */
const NOT_THERE: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound']);
const PRECONDITION_FAILED = 412;
const TOO_MANY_REQUESTS = 429;
const INSUFFICIENT_STORAGE = 507;

/** As the SDK decides it for bytes: no answer came, or one that says no more than that it goes badly now. */
function mayBeSentAgain(error: unknown): boolean {
  const status = statusOf(error);
  if (status === undefined || status === TOO_MANY_REQUESTS) return true;
  return status >= 500 && status !== INSUFFICIENT_STORAGE;
}

/** Whatever is wrong out there, from a lost connection to keys that have expired, may be put right meanwhile. */
async function asStorageError<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (statusOf(error) === INSUFFICIENT_STORAGE) throw new StorageFullError({ cause: error });
    throw new StorageUnavailableError({ cause: error });
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
