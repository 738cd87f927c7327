import {
  COLOR_SCHEMES,
  type ColorScheme,
  DEFAULT_COLOR_SCHEME,
  LISTED_COLOR_SCHEMES,
} from './colorSchemes.ts';
import { DEFAULT_STYLE, type IconStyle, STYLES } from './styles.ts';

/** What the dashboard and the original's scripts send besides (the icons contract, Enumerations). */
const STYLE_ALIASES: ReadonlyMap<string, IconStyle> = new Map([['minimalist', 'minimal']]);
const COLOR_SCHEME_ALIASES: ReadonlyMap<string, ColorScheme> = new Map([['vibrant', 'colorful']]);

/** How error texts list them: as the contract's first server, which was written in Python, prints a list. */
export const STYLE_OPTIONS = listText(STYLES);
export const COLOR_SCHEME_OPTIONS = listText(LISTED_COLOR_SCHEMES);

/** In any case; nothing, `null` and a blank text mean the default. @returns nothing for what is no style */
export function readStyle(value: unknown): IconStyle | undefined {
  return readOption(value, STYLES, STYLE_ALIASES, DEFAULT_STYLE);
}

/** Like `readStyle`. */
export function readColorScheme(value: unknown): ColorScheme | undefined {
  return readOption(value, COLOR_SCHEMES, COLOR_SCHEME_ALIASES, DEFAULT_COLOR_SCHEME);
}

function readOption<Option extends string>(
  value: unknown,
  options: readonly Option[],
  aliases: ReadonlyMap<string, Option>,
  byDefault: Option,
): Option | undefined {
  if (value === undefined || value === null) return byDefault;
  if (typeof value !== 'string') return undefined;
  const name = value.trim().toLowerCase();
  if (name === '') return byDefault;
  return options.find((option) => option === name) ?? aliases.get(name);
}

function listText(options: readonly string[]): string {
  return `[${options.map((option) => `'${option}'`).join(', ')}]`;
}
