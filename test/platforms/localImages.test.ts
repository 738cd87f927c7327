import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { STANDARD_CATEGORIES } from '../../src/domain/icons/categories.ts';
import { COLOR_SCHEMES } from '../../src/domain/icons/colorSchemes.ts';
import { STYLES } from '../../src/domain/icons/styles.ts';
import type { ImageRequest } from '../../src/platforms/images/imageProvider.ts';
import { composeIcon } from '../../src/platforms/images/local/composeIcon.ts';
import { LOCAL_MODEL, LocalImages } from '../../src/platforms/images/local/localImages.ts';
import { sharp } from '../../src/platforms/images/sharp.ts';

type Subject = ImageRequest['subject'];

const PIXELS = 64;
const ORDINARY: Subject = {
  category: 'tools',
  style: 'modern',
  color_scheme: 'brand_colors',
  elements: [],
  variation: 1,
};

async function draw(changes: Partial<Subject> = {}, size = `${PIXELS}x${PIXELS}`): Promise<Buffer> {
  const outcome = await new LocalImages(size).generate({ prompt: '', subject: { ...ORDINARY, ...changes } });
  if (outcome.kind !== 'image') throw new Error(`It ended as ${outcome.kind}`);
  return outcome.bytes;
}

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const pixelsOf = (png: Buffer) => sharp(png).removeAlpha().raw().toBuffer();

/** How many of 100 pixels differ clearly. */
function difference(one: Buffer, other: Buffer): number {
  let differing = 0;
  for (let at = 0; at < one.length; at += 3) {
    const distance = [0, 1, 2].reduce(
      (sum, channel) => sum + Math.abs((one[at + channel] ?? 0) - (other[at + channel] ?? 0)),
      0,
    );
    if (distance > 90) differing += 1;
  }
  return (differing * 300) / one.length;
}

test('every category, style and colour scheme is another picture, drawn the same each time', async () => {
  const hashes: string[] = [];
  for (const category of STANDARD_CATEGORIES) {
    for (const style of STYLES) {
      const pictures = await Promise.all(
        COLOR_SCHEMES.map((color_scheme) => draw({ category, style, color_scheme })),
      );
      hashes.push(...pictures.map(hashOf));
    }
  }
  expect(new Set(hashes).size).toBe(STANDARD_CATEGORIES.length * STYLES.length * COLOR_SCHEMES.length);
  const [category, style, color_scheme] = [STANDARD_CATEGORIES[0], STYLES[0], COLOR_SCHEMES[0]];
  expect(hashOf(await draw({ category, style, color_scheme }))).toBe(hashes[0]);
});

test.each(STYLES)(
  'in the style %s any two categories differ to the eye, and any two styles do',
  async (style) => {
    const categories = await Promise.all(
      STANDARD_CATEGORIES.map(async (category) => pixelsOf(await draw({ category, style }))),
    );
    const least = Math.min(...pairsOf(categories).map(([one, other]) => difference(one, other)));
    expect(least).toBeGreaterThan(2);
    const styles = await Promise.all(STYLES.map(async (other) => pixelsOf(await draw({ style: other }))));
    expect(Math.min(...pairsOf(styles).map(([one, other]) => difference(one, other)))).toBeGreaterThan(10);
  },
);

test.each(STYLES)('in the style %s ten variations are ten pictures', async (style) => {
  const variations = Array.from({ length: 10 }, (_, index) => draw({ style, variation: index + 1 }));
  expect(new Set((await Promise.all(variations)).map(hashOf)).size).toBe(10);
});

test('elements change the picture: which, how many, in what order, also beyond those that have a place', async () => {
  const wanted = [
    [],
    ['hammer'],
    ['Hammer'],
    ['nail'],
    ['hammer', 'nail'],
    ['nail', 'hammer'],
    ['a', 'b', 'c', 'd'],
    ['a', 'b', 'c', 'd', 'e'],
    ['a', 'b', 'c', 'd', 'e', 'f'],
    Array.from({ length: 500 }, (_, index) => `element ${index}`),
  ];
  const hashes = (await Promise.all(wanted.map((elements) => draw({ elements })))).map(hashOf);
  expect(new Set(hashes).size).toBe(wanted.length);
});

test('categories that are no standard ones, or only other words for one, differ too', async () => {
  const categories = ['tools', 'hardware', 'garden hose', 'zeppelins', 'umbrellas', 'candles', 'tea lights'];
  const hashes = (await Promise.all(categories.map((category) => draw({ category })))).map(hashOf);
  expect(new Set(hashes).size).toBe(categories.length);
  expect(hashOf(await draw({ category: '  ZEPPELINS ' }))).toBe(hashes[3]);
});

test('no text of a request gets into the drawing', () => {
  const hostile = '"/><image href="file:///etc/passwd"/><script>alert(1)</script>&xxe;';
  for (const style of STYLES) {
    const svg = composeIcon({ ...ORDINARY, style, category: hostile, elements: [hostile, hostile] }, 64, 64);
    expect(svg).not.toMatch(/script|image|href="f|passwd|xxe|alert/);
  }
});

test.each([
  ['1024x1024', 1_024, 1_024],
  ['1536x1024', 1_536, 1_024],
  ['1024x1536', 1_024, 1_536],
  ['auto', 1_024, 1_024],
])('of the size %s it is %i by %i pixels of PNG, opaque to its corners', async (size, width, height) => {
  const png = await draw({}, size);
  expect(await sharp(png).metadata()).toMatchObject({ format: 'png', width, height });
  const { isOpaque } = await sharp(png).stats();
  expect(isOpaque).toBe(true);
});

test('it says that it is local, costs nothing and knows no limits', async () => {
  const provider = new LocalImages('1024x1024');
  expect(provider.settings).toMatchObject({ model: LOCAL_MODEL, size: '1024x1024', format: 'png' });
  expect(LOCAL_MODEL).toContain('local');
  expect(provider.paid).toBe(false);
  const outcome = await provider.generate({ prompt: '', subject: ORDINARY });
  expect(outcome).toMatchObject({ kind: 'image', tokens: null, limits: {} });
});

function pairsOf<Item>(items: readonly Item[]): [Item, Item][] {
  return items.flatMap((one, index) => items.slice(index + 1).map((other): [Item, Item] => [one, other]));
}
