import { normalizedCategory, standardCategory } from '../../../domain/icons/categories.ts';
import type { ImageRequest } from '../imageProvider.ts';
import { GLYPHS, parcel } from './glyphs.ts';
import { badges, bitsOf, dots } from './ornaments.ts';
import { PALETTES } from './palettes.ts';
import { STYLE_PAINTERS } from './styles.ts';
import { variantOf } from './variant.ts';

/**
 * An icon as SVG. The same subject gives the same text; no text of the subject is in it.
 *
 * @param width - pixels, like `height`; the drawing itself is square and stands in the middle
 */
export function composeIcon(subject: ImageRequest['subject'], width: number, height: number): string {
  const category = normalizedCategory(subject.category);
  const standard = standardCategory(category);
  const palette = PALETTES[subject.color_scheme];
  const glyph = standard === 'default' ? parcel(bitsOf(category)) : GLYPHS[standard];
  const isStandard = category === standard.replaceAll('_', ' ');
  const drawing = STYLE_PAINTERS[subject.style](glyph, palette, variantOf(subject.variation));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    `<rect width="100%" height="100%" fill="${drawing.ground}"/>` +
    `<svg viewBox="0 0 100 100" width="${width}" height="${height}"><defs>${drawing.definitions ?? ''}</defs>` +
    `${drawing.content}${isStandard ? '' : dots(category, palette)}${badges(subject.elements, palette)}</svg></svg>`
  );
}
