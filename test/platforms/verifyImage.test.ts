import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { startWebhookReceiver } from '../../sandbox/webhookReceiver.ts';
import { sharp } from '../../src/platforms/images/sharp.ts';
import { ICON_LIMITS, verifyImage } from '../../src/platforms/images/verifyImage.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { flatPng, pixelBomb, pngChunk, profileBomb, textBomb } from './hostileImages.ts';

const run = promisify(execFile);
const SMALL = { width: 4, height: 4 };
const LARGEST = { width: 5_000, height: 5_000 };

/** A picture that does not compress to nothing: stripes of every colour. */
function picture(width = 120, height = 80) {
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < pixels.length; at++) pixels[at] = (at * 7 + (at >> 5)) % 256;
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

async function reasonOf(bytes: Buffer, limits = ICON_LIMITS): Promise<string> {
  const verified = await verifyImage(bytes, limits);
  return verified.kind === 'valid' ? 'valid' : verified.reason;
}

test.each(['png', 'jpeg', 'webp'] as const)('a %s becomes a PNG of the same picture', async (format) => {
  const original = await picture().toFormat(format, { quality: 100 }).toBuffer();
  const verified = await verifyImage(original, ICON_LIMITS);
  if (verified.kind !== 'valid') throw new Error(verified.message);
  expect(verified).toMatchObject({ width: 120, height: 80 });
  expect((await sharp(verified.png).metadata()).format).toBe('png');
  const [before, after] = await Promise.all(
    [original, verified.png].map((bytes) => sharp(bytes).raw().toBuffer()),
  );
  expect(after?.equals(before ?? Buffer.alloc(0))).toBe(true);
});

test('it stands upright, and nothing but pixels is left', async () => {
  const turned = await picture()
    .withMetadata({ orientation: 6 })
    .withExif({ IFD0: { Copyright: 'somebody', ImageDescription: 'where the camera was' } })
    .jpeg()
    .toBuffer();
  const verified = await verifyImage(turned, ICON_LIMITS);
  if (verified.kind !== 'valid') throw new Error(verified.message);
  expect(verified).toMatchObject({ width: 80, height: 120 });
  expect(verified.png.includes('somebody')).toBe(false);
  const { exif, orientation } = await sharp(verified.png).metadata();
  expect([exif, orientation]).toEqual([undefined, undefined]);
});

test('what stands behind the image is dropped', async () => {
  const verified = await verifyImage(
    Buffer.concat([flatPng(SMALL), Buffer.from('<script>alert(1)</script>')]),
    ICON_LIMITS,
  );
  if (verified.kind !== 'valid') throw new Error(verified.message);
  expect(verified.png.includes('script')).toBe(false);
});

test.each(['png', 'jpeg', 'webp'] as const)('a %s that is cut anywhere is broken', async (format) => {
  const whole = await picture().toFormat(format).toBuffer();
  for (let share = 1; share < 20; share++) {
    const cut = whole.subarray(0, Math.floor((whole.length * share) / 20));
    expect(await reasonOf(cut)).toBe('broken');
  }
  for (const missing of [1, 2, 5, 12, 13]) {
    expect(await reasonOf(whole.subarray(0, whole.length - missing))).toBe('broken');
  }
});

test('a PNG whose pixels were changed on the way is broken', async () => {
  const damaged = await picture().png().toBuffer();
  damaged[Math.floor(damaged.length / 2)] = 255 - (damaged[Math.floor(damaged.length / 2)] ?? 0);
  expect(await reasonOf(damaged)).toBe('broken');
});

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';

test.each<[string, () => Promise<Buffer> | Buffer]>([
  ['nothing', () => Buffer.alloc(0)],
  ['a text', () => Buffer.from('{"error": "no image today"}')],
  ['an SVG', () => Buffer.from(SVG)],
  ['an SVG behind a declaration', () => Buffer.from(`<?xml version="1.0"?>\n${SVG}`)],
  ['a GIF', () => Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')],
  ['an AVIF', () => picture().avif({ effort: 0 }).toBuffer()],
  ['a TIFF', () => picture().tiff().toBuffer()],
  ['a page', () => Buffer.from('<!doctype html><img src="x.png">')],
  ['a PDF', () => Buffer.from('%PDF-1.7\n')],
])('%s is of no type that is accepted', async (_what, bytes) => {
  expect(await reasonOf(await bytes())).toBe('unsupported-type');
});

test.each<[string, Buffer]>([
  ['a PNG signature', Buffer.concat([flatPng(SMALL).subarray(0, 8), Buffer.from(SVG)])],
  ['a JPEG beginning', Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.from(SVG)])],
  ['a WebP beginning', Buffer.concat([Buffer.from('RIFF\x20\0\0\0WEBP', 'latin1'), Buffer.from(SVG)])],
])('an SVG behind %s is no image', async (_what, bytes) => {
  expect(['broken', 'unsupported-type']).toContain(await reasonOf(bytes));
});

test('an SVG with an external reference fetches nothing', async () => {
  const outside = await startWebhookReceiver();
  onTestFinished(() => outside.close());
  const bytes = Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><image href="${outside.url}/x.png" width="64" height="64"/><image href="file:///etc/passwd" width="9" height="9"/></svg>`,
  );
  expect(await reasonOf(bytes)).toBe('unsupported-type');
  // Nor when it is drawn, as an own drawing is.
  await sharp(bytes).png().toBuffer();
  expect(outside.connections).toBe(0);
});

test('several pages are refused', async () => {
  const frames = Buffer.alloc(10 * 20 * 4, 90);
  frames.fill(200, 10 * 10 * 4);
  const animation = await sharp(frames, { raw: { width: 10, height: 20, channels: 4, pageHeight: 10 } })
    .webp({ delay: [100, 100], loop: 0 })
    .toBuffer();
  expect(await reasonOf(animation)).toBe('animated');
  const control = Buffer.alloc(8);
  control.writeUInt32BE(2, 0);
  expect(await reasonOf(flatPng({ ...SMALL, chunks: [pngChunk('acTL', control)] }))).toBe('animated');
});

test('the limits are exact', async () => {
  const bytes = await picture(100, 50).png().toBuffer();
  expect(await reasonOf(bytes, { maxBytes: bytes.length, maxPixels: 5_000 })).toBe('valid');
  expect(await reasonOf(bytes, { maxBytes: bytes.length - 1, maxPixels: 5_000 })).toBe('too-many-bytes');
  expect(await reasonOf(bytes, { maxBytes: bytes.length, maxPixels: 4_999 })).toBe('too-many-pixels');
});

test('what would be larger than the limit as a PNG is refused, unless the limit can be kept', async () => {
  const noise = randomBytes(3_000 * 3_000 * 3);
  const photo = sharp(noise, { raw: { width: 3_000, height: 3_000, channels: 3 } }).jpeg({ quality: 10 });
  const bytes = await photo.toBuffer();
  expect(bytes.length).toBeLessThan(ICON_LIMITS.maxBytes);
  expect(await reasonOf(bytes)).toBe('too-many-bytes');

  const original = await picture(600, 400).png({ compressionLevel: 9, adaptiveFiltering: true }).toBuffer();
  const loose = await picture(600, 400).png().toBuffer();
  expect(original.length).toBeLessThan(loose.length);
  const tight = await verifyImage(original, { maxBytes: original.length, maxPixels: 1_000_000 });
  if (tight.kind !== 'valid') throw new Error(tight.message);
  expect(tight.png.length).toBeLessThanOrEqual(original.length);
});

test('files are never opened by a name, and other formats not at all', async () => {
  const path = join(await temporaryFolder(), 'icon.png');
  await writeFile(path, flatPng(SMALL));
  await expect(sharp(path).metadata()).rejects.toThrow();
  await expect(sharp(await picture().tiff().toBuffer()).metadata()).rejects.toThrow();
});

/** Decoded the bomb would take 588 MB, the text 1,000 MB and the profile 500 MB; the largest image that is accepted 100 MB. */
test.each<[string, () => Buffer, string, number]>([
  ['a pixel bomb', () => pixelBomb(false), 'too-many-pixels', 32],
  ['an interlaced pixel bomb', () => pixelBomb(true), 'too-many-pixels', 32],
  ['a text bomb', textBomb, 'valid', 64],
  ['a profile bomb', profileBomb, 'valid', 64],
  ['the largest image', () => flatPng(LARGEST), 'valid', 64],
  ['the largest interlaced image', () => flatPng({ ...LARGEST, interlaced: true }), 'valid', 256],
])('%s costs little memory', async (_what, make, kind, mostMegabytes) => {
  const folder = await temporaryFolder();
  const [warmUp, path] = [join(folder, 'small.png'), join(folder, 'large.png')];
  await writeFile(warmUp, flatPng(SMALL));
  await writeFile(path, make());
  const { stdout } = await run(process.execPath, ['test/platforms/verifyProcess.ts', warmUp, path]);
  const outcome = JSON.parse(stdout);
  expect(outcome.kind).toBe(kind);
  expect(outcome.risenMegabytes).toBeLessThan(mostMegabytes);
});
