import { createHash } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import type { Generation } from './readGeneration.ts';

/** What the answer holds in place of a good image. */
export type ImageKind = 'good' | 'garbage' | 'truncated' | 'bomb' | 'svg' | 'jpeg';

const CELLS = 8;
const BOMB_EDGE = 14_000;

/** @param index - which one of the request's images, from 0 */
export async function drawImage(generation: Generation, index: number, kind: ImageKind): Promise<Buffer> {
  switch (kind) {
    case 'good':
      return cells(generation, index).toFormat(generation.format).toBuffer();
    case 'jpeg':
      return cells(generation, index).jpeg().toBuffer();
    case 'garbage':
      return Buffer.concat([digest(generation, index), digest(generation, index + 1)]);
    case 'truncated': {
      const whole = await cells(generation, index).toFormat(generation.format).toBuffer();
      return whole.subarray(0, Math.floor(whole.length / 2));
    }
    case 'bomb':
      return pixelBomb();
    case 'svg':
      return Buffer.from(
        '<svg xmlns="http://www.w3.org/2000/svg" width="1024" height="1024"><image href="file:///etc/passwd"/></svg>',
      );
  }
}

/** Coloured squares, other ones for each prompt: quickly made and small as a file. */
function cells(generation: Generation, index: number) {
  const colours = Buffer.alloc(CELLS * CELLS * 4);
  const seed = digest(generation, index);
  for (let cell = 0; cell < CELLS * CELLS; cell += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      colours[cell * 4 + channel] = seed[(cell * 3 + channel * 7) % seed.length] ?? 0;
    }
    const isClear = generation.background === 'transparent' && cell % 2 === 0;
    colours[cell * 4 + 3] = isClear ? 0 : 255;
  }
  return sharp(colours, { raw: { width: CELLS, height: CELLS, channels: 4 } }).resize(
    generation.width,
    generation.height,
    { kernel: 'nearest', fit: 'fill' },
  );
}

function digest(generation: Generation, index: number): Buffer {
  return createHash('sha512').update(`${index}:${generation.prompt}`).digest();
}

/** A PNG of a few KB that asks for 196 million pixels. */
function pixelBomb(): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(BOMB_EDGE, 0);
  header.writeUInt32BE(BOMB_EDGE, 4);
  header[8] = 1;
  const rows = Buffer.alloc(BOMB_EDGE * (1 + Math.ceil(BOMB_EDGE / 8)));
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
