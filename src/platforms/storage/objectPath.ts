import { BadObjectPathError } from './storageErrors.ts';

/** A name: no dot in front, so neither `.`, `..` nor a hidden file, and none behind, which Windows would drop. */
const NAME = /^[A-Za-z0-9_-](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?$/;
/** Devices on Windows in every folder, whatever the ending: https://learn.microsoft.com/windows/win32/fileio/naming-a-file */
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;
/** File systems allow 255 bytes for a name. */
const LONGEST_NAME = 200;
const DEEPEST = 8;

/**
 * Accepts only paths that mean one place under the root and nothing else, in every file system and bucket: what would
 * have to be decoded, resolved or cleaned up first is refused.
 *
 * @throws BadObjectPathError
 */
export function assertObjectPath(path: string): void {
  const names = path.split('/');
  if (names.length > DEEPEST || !names.every(isName)) {
    throw new BadObjectPathError('The path of a stored file is made of names of letters, digits, _, - and .');
  }
}

function isName(name: string): boolean {
  return name.length <= LONGEST_NAME && NAME.test(name) && !WINDOWS_DEVICE.test(name);
}
