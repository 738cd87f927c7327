import type { Generation, Quality } from './readGeneration.ts';

export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly total_tokens: number;
  readonly input_tokens_details: { readonly text_tokens: number; readonly image_tokens: number };
}

/** Edge of the grid of tokens that a quality is drawn with, by generation of models. */
const EDGES: readonly [RegExp, Readonly<Record<Quality, number>>][] = [
  [/^gpt-image-2\.6/, { low: 30, medium: 48, high: 48, xhigh: 64, max: 96 }],
  [/^gpt-image-2\.5/, { low: 16, medium: 24, high: 48, xhigh: 64, max: 96 }],
  [/^gpt-image-2/, { low: 16, medium: 48, high: 96, xhigh: 96, max: 96 }],
];
/** Of the models before, for a square; the others take half as many again. */
const FIRST_SQUARE: Readonly<Record<Quality, number>> = {
  low: 272,
  medium: 1_056,
  high: 4_160,
  xhigh: 4_160,
  max: 4_160,
};
const CHARACTERS_A_TOKEN = 4;
/** What the API adds to every prompt. */
const PROMPT_OVERHEAD = 6;

/** What a generation is charged, near to what the API charges. */
export function usageOf(generation: Generation): Usage {
  const text = Math.ceil(generation.prompt.length / CHARACTERS_A_TOKEN) + PROMPT_OVERHEAD;
  const output = tokensOfImage(generation) * generation.n;
  return {
    input_tokens: text,
    output_tokens: output,
    total_tokens: text + output,
    input_tokens_details: { text_tokens: text, image_tokens: 0 },
  };
}

function tokensOfImage({ model, quality, width, height }: Generation): number {
  const edge = EDGES.find(([pattern]) => pattern.test(model))?.[1][quality];
  if (edge === undefined) return Math.round(FIRST_SQUARE[quality] * (width === height ? 1 : 1.5));
  const shortEdge = Math.round((edge * Math.min(width, height)) / Math.max(width, height));
  return Math.ceil((edge * shortEdge * (2_000_000 + width * height)) / 4_000_000);
}
