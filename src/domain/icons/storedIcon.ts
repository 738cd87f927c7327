import type { ColorScheme } from './colorSchemes.ts';
import type { IconFile } from './icon.ts';
import type { IconStyle } from './styles.ts';

/** What a stored icon shows and what made it. */
export interface StoredIconMetadata {
  readonly style: IconStyle;
  readonly color_scheme: ColorScheme;
  readonly category: string;
  readonly model: string;
}

/** A stored icon file, as lists of them tell it. */
export interface StoredIcon extends IconFile {
  /** 8 hex digits: the first ones of its content key. */
  readonly id: string;
  readonly generation_milliseconds: number | null;
  readonly metadata: StoredIconMetadata;
  /** Whether it was saved to a workspace: clearing spares it. */
  readonly saved: boolean;
}
