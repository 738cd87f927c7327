/** The schemes of the contract, in the order of its error texts. */
export const LISTED_COLOR_SCHEMES = [
  'monochrome',
  'colorful',
  'blue_tones',
  'warm_tones',
  'cool_tones',
  'brand_colors',
] as const;

/** The dashboard sends the last two as well; error texts leave them out. */
export const COLOR_SCHEMES = [...LISTED_COLOR_SCHEMES, 'pastel', 'natural'] as const;
export type ColorScheme = (typeof COLOR_SCHEMES)[number];

export const DEFAULT_COLOR_SCHEME: ColorScheme = 'brand_colors';
