import type { ColorScheme } from './colorSchemes.ts';
import type { IconRequest } from './icon.ts';
import { type IconStyle, styleOfVariation } from './styles.ts';

export const MOST_CATEGORIES = 50;
export const MOST_VARIATIONS = 10;

/** Many icons, as they are asked for with `POST /api/icons/generate/batch`: validated and normalised. */
export interface BatchRequest {
  /** As sent, trimmed, without blanks. One that stands there twice is asked for twice. */
  readonly categories: readonly string[];
  readonly variations: number;
  readonly style: IconStyle;
  readonly color_scheme: ColorScheme;
  /** By category as it stands in `categories`. */
  readonly elements: ReadonlyMap<string, readonly string[]>;
  /** The caller's own, given back in the result. */
  readonly metadata: Readonly<Record<string, unknown>> | null;
}

/** The images of a batch: category by category, and variation by variation in each. */
export function imagesOf({
  categories,
  variations,
  style,
  color_scheme,
  elements,
}: BatchRequest): IconRequest[] {
  return categories.flatMap((category) =>
    Array.from({ length: variations }, (_, place) => ({
      category,
      style: styleOfVariation(style, place + 1),
      color_scheme,
      elements: elements.get(category) ?? [],
      variation: place + 1,
      total_variations: variations,
    })),
  );
}
