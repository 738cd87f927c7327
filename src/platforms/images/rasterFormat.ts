export type RasterFormat = 'png' | 'jpeg' | 'webp';

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const JPEG_START = Buffer.from([0xff, 0xd8, 0xff]);

/** What the first bytes say, whatever a name or a header claims; nothing for all other formats. */
export function rasterFormatOf(bytes: Buffer): RasterFormat | undefined {
  if (bytes.subarray(0, PNG_SIGNATURE.length).equals(PNG_SIGNATURE)) return 'png';
  if (bytes.subarray(0, JPEG_START.length).equals(JPEG_START)) return 'jpeg';
  if (bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP') return 'webp';
  return undefined;
}

/**
 * What sharp does not tell of a PNG: whether it holds an animation (an `acTL` chunk, of which sharp sees only the still
 * image), and whether it ends before its `IEND` chunk does (https://www.w3.org/TR/png-3/#5Chunk-layout).
 */
export function inspectPng(bytes: Buffer): 'still' | 'animated' | 'truncated' {
  let at = PNG_SIGNATURE.length;
  while (at + CHUNK_FRAME_BYTES <= bytes.length) {
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (type === 'acTL') return 'animated';
    if (type === 'IEND') return 'still';
    at += CHUNK_FRAME_BYTES + bytes.readUInt32BE(at);
  }
  return 'truncated';
}

/** Length, type and checksum, four bytes each, around the data. */
const CHUNK_FRAME_BYTES = 12;
