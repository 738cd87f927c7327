import { HttpError } from '../../errors.ts';
import type { ImageResult } from './imageResult.ts';
import { imagePath } from './imageStatus.ts';

/** Answered with 500: the icon could not be made, and what was tried. */
export class IconFailedError extends HttpError {
  override name = 'IconFailedError';
  readonly status = 500;
  readonly #result: ImageResult;

  constructor(result: ImageResult) {
    super('Icon generation failed');
    this.#result = result;
  }

  /** In the contract's order of members. */
  override get contractBody(): Readonly<Record<string, unknown>> {
    const { success, error, metadata } = this.#result;
    return { success, error, metadata, message: this.message };
  }
}

/** Answered with 504 and the address of its state: the icon is made, but the client has waited for long enough. */
export class IconLateError extends HttpError {
  override name = 'IconLateError';
  readonly status = 504;
  readonly #imageId: string;

  constructor(imageId: string) {
    super('The icon is not ready yet; status_url tells when it is');
    this.#imageId = imageId;
  }

  override get headers(): Readonly<Record<string, string>> {
    return { Location: imagePath(this.#imageId) };
  }

  override get members(): Readonly<Record<string, unknown>> {
    return { status_url: imagePath(this.#imageId), image_id: this.#imageId };
  }
}
