import { createHash } from 'node:crypto';
import { normalizedCategory } from './categories.ts';

const LONGEST_FOLDER = 60;
/** Names that mean a device in every folder on Windows: https://learn.microsoft.com/windows/win32/fileio/naming-a-file */
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/;
/** Letters that Unicode does not decompose. */
const LATIN_LETTERS: ReadonlyMap<string, string> = new Map([
  ['đ', 'd'],
  ['ø', 'o'],
  ['ł', 'l'],
  ['ß', 'ss'],
  ['æ', 'ae'],
  ['œ', 'oe'],
]);

/**
 * Where an icon is stored: `<folder>/<folder>_<YYYYMMDD_HHMMSS>_<8 hex>.png`, in UTC.
 *
 * @param key - its content key, in hex
 * @param at - when it was made; milliseconds since 1970 UTC
 */
export function iconPath(category: string, key: string, at: number): { folder: string; path: string } {
  const folder = iconFolder(category);
  return { folder, path: `${folder}/${folder}_${timeText(at)}_${key.slice(0, 8)}.png` };
}

/**
 * The folder of a category's icons: lower case, spaces as `_`, and of the rest only what every file system and URL takes.
 * A name in another script gets a folder of its own, that cannot be read.
 */
export function iconFolder(category: string): string {
  const name = normalizedCategory(category);
  const folder = latinLetters(name)
    .replaceAll(' ', '_')
    .replace(/[^a-z0-9_-]/g, '')
    .slice(0, LONGEST_FOLDER);
  if (!/[a-z0-9]/.test(folder)) {
    return `category_${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
  }
  return WINDOWS_DEVICE.test(folder) ? `${folder}_` : folder;
}

/** The folder that a name of one means: lower-cased, spaces as `_` (the icons contract, cached). It need not be a folder of ours. */
export function folderNamed(category: string): string {
  return category.trim().toLowerCase().replaceAll(' ', '_');
}

function latinLetters(text: string): string {
  return text
    .replace(/[đøłßæœ]/g, (letter) => LATIN_LETTERS.get(letter) ?? '')
    .normalize('NFD')
    .replace(/\p{M}/gu, '');
}

function timeText(at: number): string {
  const [day = '', time = ''] = new Date(at).toISOString().slice(0, 19).split('T');
  return `${day.replaceAll('-', '')}_${time.replaceAll(':', '')}`;
}
