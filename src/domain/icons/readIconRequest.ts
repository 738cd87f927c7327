import type { IconRequest } from './icon.ts';
import { COLOR_SCHEME_OPTIONS, readColorScheme, readStyle, STYLE_OPTIONS } from './looks.ts';
import { ELEMENTS_WANTED, fieldsOf, LONGEST_CATEGORY, readElements, trimmed } from './requestFields.ts';

export type ReadIcon =
  | { readonly kind: 'request'; readonly request: IconRequest }
  /** What is wrong first, in the contract's words. */
  | { readonly kind: 'refused'; readonly message: string };

/** Reads what is asked for with `POST /api/icons/generate` (the icons contract). */
export function readIconRequest(body: unknown): ReadIcon {
  const fields = fieldsOf(body);
  if (!fields) return refused('Request data required');

  const { category: given } = fields;
  if (typeof given !== 'string' && given !== undefined && given !== null) {
    return refused('Category must be a string');
  }
  const category = trimmed(given ?? '');
  if (category === '') return refused('Category is required');
  if (category.length > LONGEST_CATEGORY) {
    return refused(`Category is too long. Maximum ${LONGEST_CATEGORY} characters allowed`);
  }

  const style = readStyle(fields['style']);
  if (!style) return refused(`Invalid style. Valid options: ${STYLE_OPTIONS}`);
  const color_scheme = readColorScheme(fields['color_scheme']);
  if (!color_scheme) return refused(`Invalid color scheme. Valid options: ${COLOR_SCHEME_OPTIONS}`);
  const elements = readElements(fields['custom_elements']);
  if (!elements) return refused(`custom_elements ${ELEMENTS_WANTED}`);

  return {
    kind: 'request',
    request: { category, style, color_scheme, elements, variation: 1, total_variations: 1 },
  };
}

function refused(message: string): ReadIcon {
  return { kind: 'refused', message };
}
