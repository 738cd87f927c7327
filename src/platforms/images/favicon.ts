/** Sizes of the images in a favicon: tabs, desktops and their larger variants. */
export const FAVICON_SIZES = [16, 32, 48] as const;

export interface FaviconImage {
  /** Width and height in pixels, 1 to 256. */
  readonly size: number;
  /** A PNG of 8-bit RGBA, the only kind that an icon file may hold. */
  readonly png: Buffer;
}

const HEADER_BYTES = 6;
const ENTRY_BYTES = 16;
const KIND_ICON = 1;
const PLANES = 1;
const BITS_PER_PIXEL = 32;

/**
 * Puts PNG images into one `.ico` file: a header, an entry for each image, and the images
 * (https://learn.microsoft.com/previous-versions/ms997538(v=msdn.10)).
 */
export function encodeFavicon(images: readonly FaviconImage[]): Buffer {
  const directory = Buffer.alloc(HEADER_BYTES + ENTRY_BYTES * images.length);
  directory.writeUInt16LE(KIND_ICON, 2);
  directory.writeUInt16LE(images.length, 4);
  let offset = directory.length;
  for (const [index, { size, png }] of images.entries()) {
    const entry = HEADER_BYTES + ENTRY_BYTES * index;
    // One byte each for width and height, in which 0 stands for 256.
    directory.writeUInt8(size % 256, entry);
    directory.writeUInt8(size % 256, entry + 1);
    directory.writeUInt16LE(PLANES, entry + 4);
    directory.writeUInt16LE(BITS_PER_PIXEL, entry + 6);
    directory.writeUInt32LE(png.length, entry + 8);
    directory.writeUInt32LE(offset, entry + 12);
    offset += png.length;
  }
  return Buffer.concat([directory, ...images.map(({ png }) => png)]);
}
