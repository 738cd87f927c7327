import { crc32, deflateSync } from 'node:zlib';

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const TRUE_COLOUR = 2;

/** First row, first column and the steps between them, of the seven passes of an interlaced PNG: https://www.w3.org/TR/png-3/#8Interlace */
const PASSES = [
  [0, 0, 8, 8],
  [0, 4, 8, 8],
  [4, 0, 8, 4],
  [0, 2, 4, 4],
  [2, 0, 4, 2],
  [0, 1, 2, 2],
  [1, 0, 2, 1],
] as const;

export interface FlatPng {
  readonly width: number;
  readonly height: number;
  /** Which has to be in memory as a whole to be decoded. */
  readonly interlaced?: boolean;
  /** Between the header and the pixels. */
  readonly chunks?: readonly Buffer[];
}

/** A PNG in true colour that is black all over. */
export function flatPng({ width, height, interlaced = false, chunks = [] }: FlatPng): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(8, 8);
  header.writeUInt8(TRUE_COLOUR, 9);
  header.writeUInt8(interlaced ? 1 : 0, 12);
  const size = interlaced ? interlacedSize(width, height) : height * rowSize(width);
  return Buffer.concat([
    PNG_SIGNATURE,
    pngChunk('IHDR', header),
    ...chunks,
    pngChunk('IDAT', deflateSync(Buffer.alloc(size), { level: 9 })),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function interlacedSize(width: number, height: number): number {
  return PASSES.map(([row, column, rowStep, columnStep]) => {
    const columns = Math.ceil((width - column) / columnStep);
    return columns > 0 ? Math.ceil((height - row) / rowStep) * rowSize(columns) : 0;
  }).reduce((sum, size) => sum + size, 0);
}

/** The filter of the row, and three bytes for a pixel. */
function rowSize(columns: number): number {
  return 1 + 3 * columns;
}

export function pngChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

/** A small file that becomes 588 MB when it is decoded. */
export function pixelBomb(interlaced: boolean): Buffer {
  return flatPng({ width: 14_000, height: 14_000, interlaced });
}

/** A text of 1 GB in a chunk of 1 MB, in an image of one pixel. */
export function textBomb(): Buffer {
  const text = deflateSync(Buffer.alloc(1_000_000_000, 'x'), { level: 9 });
  const chunk = pngChunk('zTXt', Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), text]));
  return flatPng({ width: 1, height: 1, chunks: [chunk] });
}

/** A colour profile of 500 MB, in an image of one pixel. */
export function profileBomb(): Buffer {
  const profile = deflateSync(Buffer.alloc(500_000_000), { level: 9 });
  const chunk = pngChunk('iCCP', Buffer.concat([Buffer.from('p\0\0', 'latin1'), profile]));
  return flatPng({ width: 1, height: 1, chunks: [chunk] });
}
