import type { ColorScheme } from '../../../domain/icons/colorSchemes.ts';
import type { Role } from './drawing.ts';

/** Colours of a scheme, as `#rrggbb`. */
export interface Palette {
  /** Outlines and lines. */
  readonly ink: string;
  readonly main: string;
  readonly second: string;
  readonly accent: string;
  readonly light: string;
  /** Behind the drawing where the style wants colour, and its darker end. */
  readonly tile: string;
  readonly tileDark: string;
  /** Behind the drawing where the style wants it bright. */
  readonly paper: string;
}

export const PALETTES: Readonly<Record<ColorScheme, Palette>> = {
  monochrome: {
    ink: '#1f2328',
    main: '#4b525b',
    second: '#2d333b',
    accent: '#9aa3ad',
    light: '#f1f3f5',
    tile: '#c3c9d0',
    tileDark: '#7d858f',
    paper: '#f7f8f9',
  },
  colorful: {
    ink: '#2b2350',
    main: '#f0426b',
    second: '#5b3cc4',
    accent: '#ffc62e',
    light: '#fffaf0',
    tile: '#2ec4b6',
    tileDark: '#178f9c',
    paper: '#fff6fb',
  },
  blue_tones: {
    ink: '#0b2545',
    main: '#1f6fd6',
    second: '#123f7a',
    accent: '#4cc3ff',
    light: '#eaf5ff',
    tile: '#8ec5f7',
    tileDark: '#3f86d1',
    paper: '#f2f8ff',
  },
  warm_tones: {
    ink: '#4a1d12',
    main: '#e2562d',
    second: '#992f1c',
    accent: '#ffb43a',
    light: '#fff4e3',
    tile: '#ffcf8f',
    tileDark: '#ef8a47',
    paper: '#fff8ee',
  },
  cool_tones: {
    ink: '#16323f',
    main: '#2a9d8f',
    second: '#30567d',
    accent: '#8f7ee6',
    light: '#ecfaf8',
    tile: '#a9dcd6',
    tileDark: '#5aa7b5',
    paper: '#f1fbfa',
  },
  brand_colors: {
    ink: '#0f2140',
    main: '#1e4fa3',
    second: '#14305f',
    accent: '#ff8a1f',
    light: '#f4f7fc',
    tile: '#cfdcf2',
    tileDark: '#7d9fd6',
    paper: '#f8fafd',
  },
  pastel: {
    ink: '#5b5676',
    main: '#f3a6bd',
    second: '#a9a4e0',
    accent: '#ffd98a',
    light: '#fffdf8',
    tile: '#bfe6dc',
    tileDark: '#93cdd1',
    paper: '#fdf8fb',
  },
  natural: {
    ink: '#33301f',
    main: '#6b8e3d',
    second: '#7a5230',
    accent: '#d9a441',
    light: '#f8f3e4',
    tile: '#d8dfb8',
    tileDark: '#9dac6b',
    paper: '#fbf9f0',
  },
};

/** The colour that the palette has for a part. */
export function colorOf(palette: Palette, role: Role): string {
  return role === 'line' || role === 'detail' ? palette.ink : palette[role];
}

/**
 * A colour between two.
 *
 * @param share - of the second one, from 0 to 1
 */
export function mix(one: string, other: string, share: number): string {
  const [from, to] = [channels(one), channels(other)];
  const mixed = from.map((value, index) => Math.round(value + ((to[index] ?? 0) - value) * share));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

export function lighter(color: string, share: number): string {
  return mix(color, '#ffffff', share);
}

export function darker(color: string, share: number): string {
  return mix(color, '#000000', share);
}

function channels(color: string): readonly number[] {
  return [1, 3, 5].map((start) => Number.parseInt(color.slice(start, start + 2), 16));
}
