import type { StandardCategory } from '../categories.ts';
import type { ColorScheme } from '../colorSchemes.ts';
import type { IconStyle } from '../styles.ts';

/** The wording of a prompt. Sentences are without the point at their end. */
export interface PromptTemplate {
  /** Part of the content key: with another wording every icon is made anew. */
  readonly version: number;
  /** `{style}` and `{category}` are filled in. */
  readonly subject: string;
  readonly styles: Readonly<Record<IconStyle, string>>;
  readonly colors: Readonly<Record<ColorScheme, string>>;
  readonly categories: Readonly<Record<StandardCategory | 'default', string>>;
  readonly quality: readonly string[];
}
