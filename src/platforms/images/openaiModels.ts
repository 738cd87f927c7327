import type { ImageModel } from 'openai/resources/images';

export type ImageQuality = 'low' | 'medium' | 'high' | 'xhigh' | 'max';

/** What a model takes, and what its images cost. */
interface ModelFacts {
  /** The three standard ones, or any within the limits of `isFreeSize`. */
  readonly sizes: 'standard' | 'free';
  /**
   * Output tokens of an image, by the qualities that the model takes. `square` is the number for 1024x1024; the other
   * standard sizes take at most half as many again. `grid` is the longer edge of a grid of tokens, whose number grows with
   * the area of the image: OpenAI's cost calculator.
   */
  readonly tokens: {
    readonly kind: 'square' | 'grid';
    readonly of: Readonly<Partial<Record<ImageQuality, number>>>;
  };
}

const FIRST: ModelFacts = {
  sizes: 'standard',
  tokens: { kind: 'square', of: { low: 272, medium: 1_056, high: 4_160 } },
};
const SECOND: ModelFacts = {
  sizes: 'free',
  tokens: { kind: 'grid', of: { low: 16, medium: 48, high: 96 } },
};
const THIRD: ModelFacts = {
  sizes: 'free',
  tokens: { kind: 'grid', of: { low: 16, medium: 24, high: 48, xhigh: 64, max: 96 } },
};
/**
 * No formula is published. Others measured for `low` and `medium` three to four times the tokens of 2.5 (664 for 1536x1024
 * in `low`), and the same for the rest; this is not below any of it.
 */
const THIRD_POINT_SIX: ModelFacts = {
  sizes: 'free',
  tokens: { kind: 'grid', of: { low: 36, medium: 48, high: 48, xhigh: 64, max: 96 } },
};

const CURRENT = 'gpt-image-2.5-flare';

/** Shut down by OpenAI, though the package still names them, and what to take instead. */
const RETIRED = {
  'dall-e-2': CURRENT,
  'dall-e-3': CURRENT,
  'gpt-image-1': CURRENT,
} as const satisfies Partial<Record<ImageModel, ImageModel>>;

/**
 * Every other model of the installed package: one that it adds or drops does not compile until it is dealt with here.
 * OpenAI shuts the first three down on 1 December 2026.
 */
const SUPPORTED = {
  'gpt-image-1-mini': FIRST,
  'gpt-image-1.5': FIRST,
  'chatgpt-image-latest': FIRST,
  'gpt-image-2': SECOND,
  'gpt-image-2-2026-04-21': SECOND,
  'gpt-image-2.5-sunburst': THIRD,
  'gpt-image-2.5-sunburst-2026-09-08': THIRD,
  'gpt-image-2.5-flare': THIRD,
  'gpt-image-2.5-flare-2026-09-08': THIRD,
  'gpt-image-2.6-sunburst': THIRD_POINT_SIX,
  'gpt-image-2.6-flare': THIRD_POINT_SIX,
} as const satisfies Record<Exclude<ImageModel, keyof typeof RETIRED>, ModelFacts>;

export type SupportedModel = keyof typeof SUPPORTED;

export const SUPPORTED_MODELS: readonly SupportedModel[] = Object.keys(SUPPORTED).filter(isSupported);

/** Its medium quality is charged with the fewest tokens of all current models. */
export const DEFAULT_MODEL: SupportedModel = CURRENT;

const RETIRED_MODELS = new Map<string, SupportedModel>(Object.entries(RETIRED));

/** `OPENAI_MODEL` names a model that cannot be used. The message says what to set instead. */
export class UnsupportedModelError extends Error {
  constructor(model: string) {
    const retired = RETIRED_MODELS.get(model);
    const replacement = retired ?? DEFAULT_MODEL;
    super(
      retired === undefined
        ? `OPENAI_MODEL is ${model}, which is none of ${Object.keys(SUPPORTED).join(', ')}: set it to ${replacement}`
        : `OPENAI_MODEL is ${model}, which OpenAI has shut down: set it to ${replacement}`,
    );
    this.name = 'UnsupportedModelError';
  }
}

/** `OPENAI_IMAGE_SIZE` or `OPENAI_IMAGE_QUALITY` is nothing that the model takes. */
export class UnsupportedImageSettingError extends Error {
  constructor(variable: string, value: string, model: string, allowed: string) {
    super(`${variable} is ${value}, but ${model} takes ${allowed}`);
    this.name = 'UnsupportedImageSettingError';
  }
}

/** @throws UnsupportedModelError when the model is retired or unknown */
export function supportedModel(model: string | undefined): SupportedModel {
  if (model === undefined) return DEFAULT_MODEL;
  if (isSupported(model)) return model;
  throw new UnsupportedModelError(model);
}

/** @throws UnsupportedImageSettingError when the model does not take that size or quality */
export function checkImageSettings(
  model: SupportedModel,
  size: string,
  quality: ImageQuality | 'auto',
): void {
  const facts: ModelFacts = SUPPORTED[model];
  if (quality !== 'auto' && facts.tokens.of[quality] === undefined) {
    const allowed = `${Object.keys(facts.tokens.of).join(', ')} or auto`;
    throw new UnsupportedImageSettingError('OPENAI_IMAGE_QUALITY', quality, model, allowed);
  }
  if (STANDARD_SIZES.has(size)) return;
  if (facts.sizes === 'standard') {
    const allowed = [...STANDARD_SIZES].join(', ');
    throw new UnsupportedImageSettingError('OPENAI_IMAGE_SIZE', size, model, allowed);
  }
  if (!isFreeSize(size)) {
    throw new UnsupportedImageSettingError('OPENAI_IMAGE_SIZE', size, model, FREE_SIZES);
  }
}

/**
 * The most output tokens of one image, without what a model may think in text. `auto` counts as the dearest quality.
 *
 * An estimate for reserving; what was really charged stands in each answer's `usage`. Sources, as of November 2026: for the
 * first models OpenAI's table of tokens; for the others the formula of its cost calculator as read out of it in
 * https://community.openai.com/t/1382699, which gives the numbers told of 2.5 (196, 439, 1756, 3122 and 7024 tokens for
 * 1024x1024 from `low` to `max`).
 */
export function outputTokensAtMost(
  model: SupportedModel,
  size: string,
  quality: ImageQuality | 'auto',
): number {
  const { tokens }: ModelFacts = SUPPORTED[model];
  const { width, height } = parseSize(size);
  const dearest = Math.max(...Object.values(tokens.of));
  const measure = quality === 'auto' ? dearest : (tokens.of[quality] ?? dearest);
  if (tokens.kind === 'square') return width === height ? measure : Math.ceil(measure * OBLONG_FACTOR);
  const shortEdge = Math.round((measure * Math.min(width, height)) / Math.max(width, height));
  return Math.ceil((measure * shortEdge * (AREA_OFFSET + width * height)) / AREA_SCALE);
}

const STANDARD_SIZES: ReadonlySet<string> = new Set(['1024x1024', '1536x1024', '1024x1536']);
const OBLONG_FACTOR = 1.5;
const AREA_OFFSET = 2_000_000;
const AREA_SCALE = 4_000_000;

const EDGE_STEP = 16;
const LONGEST_EDGE = 3_840;
const LARGEST_RATIO = 3;
const LEAST_PIXELS = 655_360;
const MOST_PIXELS = 3_840 * 2_160;
const FREE_SIZES = `edges that are multiples of ${EDGE_STEP}, up to ${LONGEST_EDGE}, at most 1:${LARGEST_RATIO}, ${LEAST_PIXELS} to ${MOST_PIXELS} pixels`;

/** The limits in the package's documentation of `size`; those of the pixels are the cost calculator's. */
function isFreeSize(size: string): boolean {
  const { width, height } = parseSize(size);
  const longEdge = Math.max(width, height);
  const pixels = width * height;
  return (
    width % EDGE_STEP === 0 &&
    height % EDGE_STEP === 0 &&
    longEdge <= LONGEST_EDGE &&
    longEdge <= LARGEST_RATIO * Math.min(width, height) &&
    pixels >= LEAST_PIXELS &&
    pixels <= MOST_PIXELS
  );
}

function parseSize(size: string): { readonly width: number; readonly height: number } {
  const [width = 0, height = 0] = size.split('x').map(Number);
  return { width, height };
}

function isSupported(model: string): model is SupportedModel {
  return Object.hasOwn(SUPPORTED, model);
}
