import { BoundedWork } from '../../runtime/boundedWork.ts';
import type { ObjectStorage } from '../storage/objectStorage.ts';
import { readObject } from '../storage/readObject.ts';
import { encodeFavicon, FAVICON_SIZES } from './favicon.ts';
import { sharp } from './sharp.ts';
import { ICON_LIMITS } from './verifyImage.ts';

/** Widths and heights in pixels. It is a list so that nobody can fill the storage with a thousand sizes of each icon. */
export const RENDITION_SIZES = [16, 24, 32, 48, 64, 96, 128, 180, 192, 256, 384, 512, 768, 1024] as const;
export type RenditionSize = (typeof RENDITION_SIZES)[number];

export const RENDITION_FORMATS = ['png', 'webp'] as const;
export type RenditionFormat = (typeof RENDITION_FORMATS)[number];

/** Another shape of a stored icon. */
export type Rendition =
  | { readonly kind: 'image'; readonly size: RenditionSize; readonly format: RenditionFormat }
  | { readonly kind: 'favicon' };

export type RenditionOutcome =
  | { readonly kind: 'kept' }
  | { readonly kind: 'no-original' }
  /** The original is smaller; nothing is blown up. */
  | { readonly kind: 'too-large'; readonly original: number };

const ENDING = /\.png$/;
const MOST_TOO_SMALL = 1_000;
const WEBP_QUALITY = 90;
const TRANSPARENT = { r: 0, g: 0, b: 0, alpha: 0 };

/** Where all renditions of an icon are kept. */
export function renditionFolder(original: string): string {
  return `renditions/${original.replace(ENDING, '')}`;
}

/** Where a rendition is kept once it was made. */
export function renditionPath(original: string, rendition: Rendition): string {
  const folder = renditionFolder(original);
  if (rendition.kind === 'favicon') return `${folder}/favicon.ico`;
  return `${folder}/${rendition.size}.${rendition.format}`;
}

export function renditionType(rendition: Rendition): string {
  return rendition.kind === 'favicon' ? 'image/x-icon' : `image/${rendition.format}`;
}

/**
 * Makes renditions of stored icons and keeps them in the storage. Of the same asked for at once one is made; two processes
 * that make the same store the same. Sharp uses a processor for each, so few are made at a time.
 */
export class Renditions {
  readonly #storage: ObjectStorage;
  /** Longest sides of the icons for which too much was asked last: who asks again and again costs no reading. */
  readonly #tooSmall = new Map<string, number>();
  readonly #making = new Map<string, Promise<RenditionOutcome>>();
  readonly #work = new BoundedWork({
    what: 'Resizing images',
    running: 2,
    waiting: 64,
    longestWaitMilliseconds: 5_000,
  });

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  /**
   * Makes a rendition that is not kept yet.
   *
   * @param original - path of a stored PNG
   * @throws ServiceUnavailableError when too many wait or the storage is away
   */
  make(original: string, rendition: Rendition): Promise<RenditionOutcome> {
    const path = renditionPath(original, rendition);
    const longestSide = this.#tooSmall.get(original);
    if (longestSide !== undefined && longestSide < largestSizeOf(rendition)) {
      return Promise.resolve({ kind: 'too-large', original: longestSide });
    }
    const running = this.#making.get(path);
    if (running) return running;
    const making = this.#work
      .run(() => this.#makeAndKeep(original, rendition))
      .finally(() => this.#making.delete(path));
    this.#making.set(path, making);
    return making;
  }

  async #makeAndKeep(original: string, rendition: Rendition): Promise<RenditionOutcome> {
    const bytes = await readObject(this.#storage, original);
    if (!bytes) return { kind: 'no-original' };
    const longestSide = await longestSideOf(bytes);
    if (longestSide < largestSizeOf(rendition)) {
      if (this.#tooSmall.size >= MOST_TOO_SMALL) this.#tooSmall.clear();
      this.#tooSmall.set(original, longestSide);
      return { kind: 'too-large', original: longestSide };
    }
    const made = await render(bytes, rendition);
    await this.#storage.put(renditionPath(original, rendition), made, renditionType(rendition));
    // Whoever deletes an icon deletes the original first and then what was made of it, so one of the two sees the other.
    if (await this.#storage.stat(original)) return { kind: 'kept' };
    await this.#storage.removeFolder(renditionFolder(original));
    return { kind: 'no-original' };
  }
}

function largestSizeOf(rendition: Rendition): number {
  return rendition.kind === 'favicon' ? Math.max(...FAVICON_SIZES) : rendition.size;
}

async function longestSideOf(bytes: Buffer): Promise<number> {
  const { width, height } = await sharp(bytes).metadata();
  return Math.max(width, height);
}

async function render(bytes: Buffer, rendition: Rendition): Promise<Buffer> {
  if (rendition.kind === 'image') {
    const square = squareOf(bytes, rendition.size);
    return rendition.format === 'webp'
      ? square.webp({ quality: WEBP_QUALITY }).toBuffer()
      : square.png().toBuffer();
  }
  const images = [];
  for (const size of FAVICON_SIZES) {
    images.push({ size, png: await squareOf(bytes, size).ensureAlpha().png().toBuffer() });
  }
  return encodeFavicon(images);
}

/** The whole icon in a square; what an oblong one leaves free is transparent. */
function squareOf(bytes: Buffer, size: number) {
  return sharp(bytes, { limitInputPixels: ICON_LIMITS.maxPixels, failOn: 'warning' }).resize(size, size, {
    fit: 'contain',
    background: TRANSPARENT,
  });
}
