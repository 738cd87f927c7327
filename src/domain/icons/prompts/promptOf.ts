import { categoryTitle, standardCategory } from '../categories.ts';
import type { IconRequest } from '../icon.ts';
import type { PromptTemplate } from './template.ts';
import { TEMPLATE_1 } from './template1.ts';

const CURRENT: PromptTemplate = TEMPLATE_1;

export const PROMPT_VERSION = CURRENT.version;

/** Beyond so many characters only the first sentences are sent. */
const LONG_PROMPT = 1_000;
const SENTENCES_OF_LONG_PROMPT = 3;

/** The text that a model is asked with. The same for requests with the same content key. */
export function promptOf({ category, style, color_scheme, elements }: IconRequest): string {
  const { subject: pattern, styles, colors, categories, quality } = CURRENT;
  const subject = pattern
    .replace('{style}', () => styles[style])
    .replace('{category}', () => categoryTitle(category));
  const motif = categories[standardCategory(category)];
  const include = elements.length > 0 ? `. Include: ${elements.join(', ')}` : '';
  // What belongs to the category is one sentence here, so that a long list of elements does not drop itself.
  const sentences = [subject, colors[color_scheme], motif + include, ...quality];
  const whole = textOf(sentences);
  return whole.length > LONG_PROMPT ? textOf(sentences.slice(0, SENTENCES_OF_LONG_PROMPT)) : whole;
}

/** One line: what control characters would do to a model is anybody's guess. */
function textOf(sentences: readonly string[]): string {
  const text = sentences.map((sentence) => sentence.replace(/[\s\p{Cc}]+/gu, ' ').trim()).join('. ');
  return text.endsWith('.') ? text : `${text}.`;
}
