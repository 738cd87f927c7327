import { circle, polygon, rect, round } from './drawing.ts';

const TILES = ['rounded', 'squircle', 'disc', 'hexagon', 'soft-diamond'] as const;
export type Tile = (typeof TILES)[number];

/** What differs between two variations of one icon. */
export interface Variant {
  readonly tile: Tile;
  readonly lightFromLeft: boolean;
  /** Degrees of the lines of an engraving. */
  readonly engraving: number;
  /** Where geometry stands around the middle; radians. */
  readonly angles: readonly [number, number, number];
  /** Turns, and mirrors, the shape on the canvas. */
  place(content: string): string;
}

const TURNS = [0, -7, 7, -13, 13, 0, -10, 10, -4, 4] as const;

/** @param variation - from 1 up; the first ten are all different */
export function variantOf(variation: number): Variant {
  const index = Math.max(0, variation - 1);
  const isMirrored = Math.floor(index / 5) % 2 === 1;
  const turn = (TURNS[index % TURNS.length] ?? 0) + 3 * Math.floor(index / TURNS.length);
  const start = -2.4 + 0.9 * index;
  return {
    tile: TILES[index % TILES.length] ?? 'rounded',
    lightFromLeft: index % 2 === 0,
    engraving: (20 + 31 * index) % 180,
    angles: [start, start + 2.2, start + 4.1],
    place(content) {
      const mirror = isMirrored ? ' translate(100 0) scale(-1 1)' : '';
      return turn === 0 && mirror === ''
        ? content
        : `<g transform="rotate(${turn} 50 50)${mirror}">${content}</g>`;
    },
  };
}

/** Path data of a tile behind the shape. */
export function tileShape(tile: Tile): string {
  switch (tile) {
    case 'rounded':
      return rect(5, 5, 90, 90, 22);
    case 'squircle':
      return 'M50 4C86 4 96 14 96 50C96 86 86 96 50 96C14 96 4 86 4 50C4 14 14 4 50 4z';
    case 'disc':
      return circle(50, 50, 46);
    case 'hexagon':
      return polygon(
        ...Array.from({ length: 6 }, (_, corner) => {
          const angle = (Math.PI * corner) / 3 - Math.PI / 2;
          return [round(50 + 48 * Math.cos(angle)), round(50 + 48 * Math.sin(angle))];
        }).flat(),
      );
    case 'soft-diamond':
      return 'M50 2C58 2 64 8 70 14L86 30C96 40 98 44 98 50C98 56 96 60 86 70L70 86C60 96 56 98 50 98C44 98 40 96 30 86L14 70C4 60 2 56 2 50C2 44 4 40 14 30L30 14C36 8 42 2 50 2z';
  }
}
