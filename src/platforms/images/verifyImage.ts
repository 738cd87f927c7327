import type { PngOptions } from 'sharp';
import { inspectPng, type RasterFormat, rasterFormatOf } from './rasterFormat.ts';
import { sharp } from './sharp.ts';

export interface ImageLimits {
  /** Of the bytes as they came, and of the PNG. */
  readonly maxBytes: number;
  /** Width times height. */
  readonly maxPixels: number;
}

/** What an icon may be at most when it comes from outside. */
export const ICON_LIMITS: ImageLimits = { maxBytes: 5 * 1_048_576, maxPixels: 25_000_000 };

export type InvalidImageReason =
  | 'too-many-bytes'
  | 'unsupported-type'
  | 'animated'
  | 'too-many-pixels'
  | 'broken';

export type VerifiedImage =
  | { readonly kind: 'valid'; readonly png: Buffer; readonly width: number; readonly height: number }
  | {
      readonly kind: 'invalid';
      readonly reason: InvalidImageReason;
      /** The reason for people. */
      readonly message: string;
    };

const LONGEST_DECODING_SECONDS = 20;
const TIGHT: PngOptions = { compressionLevel: 9, adaptiveFiltering: true };

/**
 * Looks whether bytes from outside are an image, by decoding all of it, and makes a fresh PNG of it: upright, in sRGB, and
 * without anything that was not pixels. One that is larger than the limit as a PNG is packed as tightly as it goes before it is refused. Memory is bounded by the pixels allowed, 4 bytes each (8 of 16-bit images).
 */
export async function verifyImage(bytes: Buffer, limits: ImageLimits): Promise<VerifiedImage> {
  if (bytes.length > limits.maxBytes) {
    return invalid('too-many-bytes', `The image has ${bytes.length} bytes; ${limits.maxBytes} are accepted`);
  }
  const format = rasterFormatOf(bytes);
  if (!format) return invalid('unsupported-type', 'The bytes are no PNG, JPEG or WebP image');
  try {
    return (await objectionTo(bytes, format, limits)) ?? (await reencode(bytes, limits));
  } catch {
    // libvips says in words only what it found, and words are no reason to go by.
    return broken(format);
  }
}

/** Looks at the header only. The limit of pixels is off for that, because its excess would be told in words. */
async function objectionTo(
  bytes: Buffer,
  format: RasterFormat,
  { maxPixels }: ImageLimits,
): Promise<VerifiedImage | undefined> {
  const header = await sharp(bytes, { limitInputPixels: false, failOn: 'warning' }).metadata();
  if (header.format !== format)
    return invalid('unsupported-type', 'The bytes are no PNG, JPEG or WebP image');
  const png = format === 'png' ? inspectPng(bytes) : undefined;
  if (png === 'animated' || (header.pages ?? 1) > 1) {
    return invalid('animated', 'The image has several pages or is animated');
  }
  const pixels = header.width * header.height;
  if (pixels > maxPixels) {
    return invalid('too-many-pixels', `The image has ${pixels} pixels; ${maxPixels} are accepted`);
  }
  if (png === 'truncated') return broken(format);
  return undefined;
}

async function reencode(bytes: Buffer, limits: ImageLimits): Promise<VerifiedImage> {
  const quick = await encode(bytes, limits, {});
  if (quick.data.length <= limits.maxBytes) return validOf(quick);
  const tight = await encode(bytes, limits, TIGHT);
  if (tight.data.length <= limits.maxBytes) return validOf(tight);
  const { maxBytes } = limits;
  return invalid('too-many-bytes', `The PNG has ${tight.data.length} bytes; ${maxBytes} are accepted`);
}

function encode(bytes: Buffer, { maxPixels }: ImageLimits, options: PngOptions) {
  return sharp(bytes, { limitInputPixels: maxPixels, failOn: 'warning' })
    .timeout({ seconds: LONGEST_DECODING_SECONDS })
    .autoOrient()
    .png(options)
    .toBuffer({ resolveWithObject: true });
}

function validOf({ data, info }: Awaited<ReturnType<typeof encode>>): VerifiedImage {
  return { kind: 'valid', png: data, width: info.width, height: info.height };
}

function broken(format: RasterFormat): VerifiedImage {
  return invalid('broken', `The ${format.toUpperCase()} image is truncated or damaged`);
}

function invalid(reason: InvalidImageReason, message: string): VerifiedImage {
  return { kind: 'invalid', reason, message };
}
