const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const LENGTH = 6;
/** Codes of the image app begin with it. */
const IMAGE_PREFIX = 'IMG_';
const IMAGE_APP = 'imagegene';

/** Gives a whole number from 0 up to, but not including, the limit, each as likely as another. */
export type RandomIndex = (limit: number) => number;

/** Draws a code for a project of this app. Whether another project has it already is for the store to say. */
export function drawProjectCode(appSource: string, randomIndex: RandomIndex): string {
  const characters = Array.from({ length: LENGTH }, () => ALPHABET.charAt(randomIndex(ALPHABET.length)));
  return (appSource === IMAGE_APP ? IMAGE_PREFIX : '') + characters.join('');
}
