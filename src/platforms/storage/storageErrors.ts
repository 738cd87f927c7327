import { ServiceUnavailableError } from '../../runtime/outage.ts';

const RETRY_AFTER_SECONDS = 5;
const RETRY_AFTER_FULL_SECONDS = 60;

/** The place where files are kept is away, overloaded or does not let us in: an outage, which postpones jobs and answers 503. */
export class StorageUnavailableError extends ServiceUnavailableError {
  override name = 'StorageUnavailableError';

  constructor(options?: ErrorOptions) {
    super('The file storage is not available; try again in a moment', RETRY_AFTER_SECONDS, options);
  }
}

/** There is no room left; what was to be stored is not there, not even a part of it. An outage until somebody makes room. */
export class StorageFullError extends ServiceUnavailableError {
  override name = 'StorageFullError';

  constructor(options?: ErrorOptions) {
    super(
      'The file storage is full; nothing can be stored until there is room',
      RETRY_AFTER_FULL_SECONDS,
      options,
    );
  }
}

/** Thrown by every driver for a path that could leave the root, or that no file of ours has. */
export class BadObjectPathError extends Error {
  override name = 'BadObjectPathError';
}
