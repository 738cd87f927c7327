import { createHash } from 'node:crypto';
import { annulus, circle, polygon, rect, round, star } from './drawing.ts';
import { paint } from './paint.ts';
import type { Palette } from './palettes.ts';

const MOST_BADGES = 4;
/** Corners of the canvas, the first one first. */
const CORNERS = [
  [86, 14],
  [14, 86],
  [86, 86],
  [14, 14],
] as const;
const BADGE_RADIUS = 9;
const MARKS = 24;
const DOTS = 3;

const SHAPES: readonly string[] = [
  star(0, 0, 5, 5, 2.1),
  'M0 4.500l-4.500-4.800a2.600 2.600 0 0 1 4.500-3a2.600 2.600 0 0 1 4.500 3z',
  'M0-5c3.500 4.500 4.200 5.500 4.200 6.800a4.200 4.200 0 0 1-8.400 0c0-1.300.7-2.300 4.200-6.800z',
  polygon(1, -5.5, -3.5, 1, -0.5, 1, -1, 5.5, 3.5, -1, 0.5, -1),
  polygon(0, -5, 4, 0, 0, 5, -4, 0),
  annulus(0, 0, 4.6, 2.2),
  'M-1.500-4.800h3v3.300h3.300v3h-3.300v3.300h-3v-3.300h-3.300v-3h3.300z',
  'M-4.500 3.500c0-6 3-8.500 9-8.500c0 6-3 9.500-9 8.500z',
  rect(-3.6, -3.6, 7.2, 7.2, 1.6),
  star(0, 0, 3, 5.2, 2.6),
];

/**
 * A badge in a corner for each element that was asked for. What a word looks like comes from its hash, so every other word is
 * another badge; the words themselves are not written.
 */
export function badges(elements: readonly string[], palette: Palette): string {
  return elements
    .slice(0, MOST_BADGES)
    .map((element, place) => {
      // What has no corner of its own shows in the last badge.
      const words = place === MOST_BADGES - 1 ? elements.slice(place) : [element];
      const [x, y] = CORNERS[place] ?? CORNERS[0];
      return badge(hashOf('element', ...words), x, y, palette);
    })
    .join('');
}

/** Small dots around the middle, which tell a category apart from others that share its glyph. */
export function dots(category: string, palette: Palette): string {
  const hash = hashOf('category', category);
  return Array.from({ length: DOTS }, (_, index) => {
    const angle = (2 * Math.PI * (hash.readUInt16BE(2 * index) / 65_536 + index)) / DOTS;
    const radius = 0.8 + (hash[8 + index] ?? 0) / 320;
    const d = circle(round(50 + 48 * Math.cos(angle)), round(50 + 48 * Math.sin(angle)), round(radius));
    return paint(
      { role: 'main', d },
      { fill: [palette.accent, palette.main, palette.second][index] ?? palette.main },
    );
  }).join('');
}

/** A number from 0 to 511 that stands for a category. */
export function bitsOf(category: string): number {
  return hashOf('parcel', category).readUInt16BE(0) & 511;
}

function badge(hash: Buffer, x: number, y: number, palette: Palette): string {
  const shape = SHAPES[(hash[0] ?? 0) % SHAPES.length] ?? '';
  const fill = [palette.main, palette.second, palette.accent][(hash[1] ?? 0) % 3] ?? palette.main;
  const bits = hash.readUIntBE(2, 3);
  const marks = Array.from({ length: MARKS }, (_, index) => {
    if ((bits & (1 << index)) === 0) return '';
    const angle = (2 * Math.PI * index) / MARKS;
    return circle(
      round(BADGE_RADIUS * 0.84 * Math.cos(angle)),
      round(BADGE_RADIUS * 0.84 * Math.sin(angle)),
      0.55,
    );
  });
  const content =
    paint({ role: 'light', d: circle(0, 0, BADGE_RADIUS) }, { fill: '#ffffff', stroke: fill, width: 0.8 }) +
    paint({ role: 'main', d: marks.join('') || circle(0, 0, 0.1) }, { fill }) +
    paint({ role: 'main', d: shape, turn: [((hash[5] ?? 0) % 8) * 5 - 20, 0, 0] }, { fill });
  return `<g transform="translate(${x} ${y})">${content}</g>`;
}

function hashOf(...words: readonly string[]): Buffer {
  return createHash('sha256').update(JSON.stringify(words)).digest();
}
