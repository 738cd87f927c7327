/** In the order of the contract: variation n takes the style n-1 places further (the icons contract, batch start). */
export const STYLES = ['minimal', 'detailed', 'flat', 'modern', 'vintage', 'abstract', 'realistic'] as const;
export type IconStyle = (typeof STYLES)[number];

export const DEFAULT_STYLE: IconStyle = 'modern';

/** @param variation - from 1 up; beyond the last style it begins again with the first */
export function styleOfVariation(style: IconStyle, variation: number): IconStyle {
  return STYLES[(STYLES.indexOf(style) + variation - 1) % STYLES.length] ?? style;
}
