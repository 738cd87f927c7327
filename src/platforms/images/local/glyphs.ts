import type { StandardCategory } from '../../../domain/icons/categories.ts';
import { annulus, circle, cog, type Glyph, polygon, rect, star } from './drawing.ts';

/** The glyphs of the standard categories. */
export const GLYPHS: Readonly<Record<StandardCategory, Glyph>> = {
  // A clipboard and a pencil.
  office_supplies: [
    { role: 'main', d: rect(20, 20, 46, 64, 6) },
    { role: 'light', d: rect(27, 29, 32, 48, 2) },
    { role: 'second', d: rect(33, 14, 20, 12, 4) },
    { role: 'line', d: 'M33 40h20M33 50h20M33 60h12' },
    { role: 'accent', d: rect(69, 30, 12, 40), turn: [18, 75, 55] },
    { role: 'second', d: rect(69, 22, 12, 9, 3), turn: [18, 75, 55] },
    { role: 'light', d: polygon(69, 70, 81, 70, 75, 84), turn: [18, 75, 55] },
    { role: 'detail', d: 'M75 32v38', turn: [18, 75, 55] },
  ],
  // A laptop.
  electronics: [
    { role: 'main', d: rect(20, 22, 60, 42, 5) },
    { role: 'light', d: rect(26, 28, 48, 30, 2) },
    { role: 'accent', d: polygon(53, 30, 40, 45, 48, 45, 45, 56, 60, 40, 51, 40) },
    { role: 'second', d: 'M10 68h80l-4 9a5 5 0 0 1-4.500 3h-63a5 5 0 0 1-4.500-3z' },
    { role: 'line', d: 'M43 73h14' },
    { role: 'detail', d: 'M30 34h6M30 39h4M66 52h4M62 47h8' },
  ],
  // A hammer and a wrench, crossed.
  tools: [
    { role: 'second', d: rect(45, 30, 10, 58, 4), turn: [-45, 50, 52] },
    { role: 'main', d: 'M30 14h30c6 0 10 5 12 12h-10v6h-24v-4h-8z', turn: [-45, 50, 52] },
    { role: 'detail', d: 'M50 48v32', turn: [-45, 50, 52] },
    {
      role: 'accent',
      d: 'M41 12a16 16 0 0 0 3 28v36a6 6 0 0 0 12 0v-36a16 16 0 0 0 3-28v13l-9 5l-9-5z',
      turn: [45, 50, 52],
    },
    { role: 'light', d: circle(50, 76, 2.5), turn: [45, 50, 52] },
  ],
  // A car from its side.
  automotive: [
    {
      role: 'main',
      d: 'M8 66v-10a8 8 0 0 1 7-8l10-2l10-14a9 9 0 0 1 7-4h19a10 10 0 0 1 8 4l10 14l7 2a8 8 0 0 1 6 8v10a4 4 0 0 1-4 4h-76a4 4 0 0 1-4-4z',
    },
    { role: 'light', d: 'M33 46l8-11a3 3 0 0 1 2-1h6v12zM54 34h6a4 4 0 0 1 3 2l8 10h-17z' },
    { role: 'accent', d: rect(84, 53, 8, 6, 2) },
    { role: 'second', d: circle(28, 70, 11) + circle(72, 70, 11) },
    { role: 'light', d: circle(28, 70, 4.5) + circle(72, 70, 4.5) },
    { role: 'line', d: 'M55 53h6' },
    { role: 'detail', d: 'M51.500 34v33M10 60h5' },
  ],
  // A house and a plant.
  home_garden: [
    { role: 'main', d: rect(20, 46, 46, 38, 2) },
    { role: 'accent', d: 'M12 50l28-27a4.500 4.500 0 0 1 6 0l28 27z' },
    { role: 'second', d: rect(28, 60, 13, 24, 1) },
    { role: 'light', d: rect(47, 57, 13, 12, 1) },
    { role: 'line', d: 'M81 84v-24' },
    { role: 'second', d: 'M81 72c-10 0-12-7-12-12c9 0 12 5 12 12z' },
    { role: 'accent', d: 'M81 64c0-9 4-13 11-14c1 8-2 14-11 14z' },
    { role: 'detail', d: 'M53.500 57v12M47 63h13M22 54h12M54 78h10M38 73v1' },
  ],
  // A basketball and a tennis ball.
  sports: [
    { role: 'main', d: circle(45, 46, 31) },
    { role: 'line', d: 'M14 46h62M45 15v62M23 24c13 11 13 33 0 44M67 24c-13 11-13 33 0 44' },
    { role: 'accent', d: circle(75, 74, 14) },
    { role: 'line', d: 'M65 65c7 4 9 12 6 22' },
    { role: 'detail', d: 'M85 65c-5 3-6 9-4 16' },
  ],
  // A shirt.
  clothing: [
    {
      role: 'main',
      d: 'M36 18l-16 8l-12 19l14 9l7-7v35a4 4 0 0 0 4 4h34a4 4 0 0 0 4-4v-35l7 7l14-9l-12-19l-16-8c-5 10-23 10-28 0z',
    },
    { role: 'second', d: 'M36 18c5 10 23 10 28 0l4.500 2.200c-6 16-31 16-37 0z' },
    { role: 'accent', d: rect(29, 58, 42, 9) },
    { role: 'light', d: star(59, 47, 5, 6, 2.6) },
    { role: 'detail', d: 'M29 47v-9M71 47v-9M29 81h42M17 47l5 3M83 47l-5 3' },
  ],
  // An apple.
  food_beverage: [
    {
      role: 'main',
      d: 'M50 36c-9-9-32-8-32 17c0 19 15 34 23 34c4 0 6-2 9-2c3 0 5 2 9 2c8 0 23-15 23-34c0-25-23-26-32-17z',
    },
    { role: 'line', d: 'M50 36c0-9 2-14 6-19' },
    { role: 'accent', d: 'M55 27c2-11 13-15 22-13c-1 10-10 17-22 13z' },
    { role: 'light', d: 'M27 53c0-7 4-11 9-11c-2 5-4 9-4 15c0 4-5 2-5-4z' },
    { role: 'detail', d: 'M58 25c5-4 10-6 15-8M44 38c4 3 9 3 12 0' },
  ],
  // A bottle with a pump, and a drop.
  health_beauty: [
    { role: 'main', d: 'M26 50a10 10 0 0 1 10-10h16a10 10 0 0 1 10 10v30a7 7 0 0 1-7 7h-22a7 7 0 0 1-7-7z' },
    { role: 'second', d: 'M24 16h28v8h-5v8h5v8h-16v-8h5v-8h-13z' },
    { role: 'light', d: rect(32, 52, 24, 26, 3) },
    { role: 'accent', d: 'M44 74l-8-8.500a5 5 0 0 1 8-6a5 5 0 0 1 8 6z' },
    { role: 'accent', d: 'M77 40c7 10 10 14 10 20a10 10 0 0 1-20 0c0-6 3-10 10-20z' },
    { role: 'detail', d: 'M72 60a5 5 0 0 0 5 5M30 82h28M38 32h12' },
  ],
  // An open book with a film in it.
  books_media: [
    { role: 'second', d: 'M10 30h80v53h-35l-5 4l-5-4h-35z' },
    { role: 'light', d: 'M50 32c-9-9-22-11-34-10v52c12-1 25 1 34 9z' },
    { role: 'light', d: 'M50 32c9-9 22-11 34-10v52c-12-1-25 1-34 9z' },
    { role: 'main', d: 'M23 34l19 11a2 2 0 0 1 0 3.500l-19 11z' },
    { role: 'line', d: 'M50 32v51M58 42c6-4 12-5 18-5M58 52c6-4 12-5 18-5' },
    { role: 'accent', d: polygon(64, 22, 73, 21, 73, 34, 68.5, 30, 64, 35) },
    { role: 'detail', d: 'M58 62c6-4 12-5 18-5M22 66c8 0 15 2 20 5' },
  ],
  // A gamepad.
  toys_games: [
    { role: 'line', d: 'M50 36c0-11 11-7 12-19' },
    {
      role: 'main',
      d: 'M30 34h40a19 19 0 0 1 19 16l4 20a10 10 0 0 1-18 7l-9-11h-32l-9 11a10 10 0 0 1-18-7l4-20a19 19 0 0 1 19-16z',
    },
    { role: 'light', d: 'M28 41h7v6h6v7h-6v6h-7v-6h-6v-7h6z' },
    { role: 'accent', d: circle(68, 43.5, 4) + circle(68, 57.5, 4) },
    { role: 'second', d: circle(61, 50.5, 4) + circle(75, 50.5, 4) },
    { role: 'detail', d: 'M46 42h8M46 47h8M14 68l3-10M86 68l-3-10' },
  ],
  // A ring with a stone.
  jewelry_accessories: [
    { role: 'main', d: annulus(50, 64, 24, 17) },
    { role: 'second', d: polygon(39, 40, 61, 40, 56, 48, 44, 48) },
    { role: 'accent', d: polygon(30, 25, 38, 12, 62, 12, 70, 25, 50, 46) },
    { role: 'light', d: polygon(43, 25, 50, 12, 57, 25, 50, 46) },
    { role: 'line', d: 'M30 25h40' },
    { role: 'accent', d: star(82, 40, 4, 8, 2.4) },
    { role: 'detail', d: 'M31 76a22 22 0 0 1-2-18M38 12l5 13M62 12l-5 13' },
  ],
  // A factory and a cog.
  industrial: [
    { role: 'second', d: 'M68 28h12l4 56h-20z' },
    { role: 'main', d: 'M12 84v-34l18 12v-12l18 12v-12l18 12v22z' },
    { role: 'light', d: rect(20, 68, 8, 8, 1) + rect(35, 68, 8, 8, 1) + rect(50, 68, 8, 8, 1) },
    { role: 'accent', d: cog(32, 30, 15) },
    { role: 'light', d: circle(76, 20, 5) + circle(86, 14, 4) },
    { role: 'detail', d: 'M66 44h16M65 56h18M12 80h54' },
  ],
  // A tractor.
  agricultural: [
    { role: 'second', d: rect(70, 26, 6, 20, 2) },
    { role: 'main', d: 'M22 64v-40a4 4 0 0 1 4-4h26a4 4 0 0 1 4 4v20h26a6 6 0 0 1 6 6v20h-66z' },
    { role: 'light', d: 'M29 27h20v19h-20z' },
    { role: 'second', d: circle(32, 66, 20) },
    { role: 'accent', d: circle(32, 66, 10) },
    { role: 'second', d: circle(76, 74, 12) },
    { role: 'accent', d: circle(76, 74, 5) },
    { role: 'line', d: 'M62 52h18M62 59h12' },
    { role: 'detail', d: 'M32 49v-3M32 86v-3M15 66h-3M52 66h-3M20 54l-2-2M44 54l2-2M39 27v19' },
  ],
  // A first-aid case.
  medical: [
    { role: 'line', d: 'M36 32v-7a7 7 0 0 1 7-7h14a7 7 0 0 1 7 7v7' },
    { role: 'main', d: rect(12, 32, 76, 52, 9) },
    { role: 'light', d: circle(50, 58, 20) },
    { role: 'accent', d: 'M45 45h10v8h8v10h-8v8h-10v-8h-8v-10h8z' },
    { role: 'second', d: rect(18, 44, 7, 10, 2) + rect(75, 44, 7, 10, 2) },
    { role: 'detail', d: 'M12 68h19M69 68h19M24 32v8M76 32v8' },
  ],
};

/** Each of 9 bits is a field on the right side of the parcel. */
const FIELDS = 3;

/**
 * A parcel, for what belongs to no standard category.
 *
 * @param bits - what distinguishes it from others, from 0 to 511
 */
export function parcel(bits: number): Glyph {
  const fields = Array.from({ length: FIELDS * FIELDS }, (_, index) => {
    if ((bits & (1 << index)) === 0) return '';
    const x = 54 + 9 * (index % FIELDS);
    const y = 60 - (14 * (x - 50)) / 33 + 9 * Math.floor(index / FIELDS);
    return polygon(x, y, x + 7, y - 3, x + 7, y + 4, x, y + 7);
  });
  return [
    { role: 'main', d: polygon(17, 36, 50, 50, 50, 88, 17, 74) },
    { role: 'second', d: polygon(83, 36, 50, 50, 50, 88, 83, 74) },
    { role: 'light', d: polygon(50, 18, 83, 34, 50, 49, 17, 34) },
    { role: 'accent', d: `M30 28l33 15v12l9-4v-12l-33-15z${fields.join('')}` },
    { role: 'detail', d: 'M22 64l10 4M22 69l6 2.500' },
  ];
}
