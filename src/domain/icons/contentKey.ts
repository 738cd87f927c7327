import { createHash } from 'node:crypto';
import { normalizedCategory } from './categories.ts';
import type { IconRequest, ImageSettings } from './icon.ts';
import { PROMPT_VERSION } from './prompts/promptOf.ts';

/**
 * What makes two icons the same: everything that the image depends on.
 *
 * @returns 64 hex digits
 */
export function contentKey(
  { category, style, color_scheme, elements, variation }: IconRequest,
  { model, size, quality, format }: ImageSettings,
): string {
  const content = [
    normalizedCategory(category),
    style,
    color_scheme,
    elements,
    variation,
    PROMPT_VERSION,
    model,
    size,
    quality,
    format,
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
