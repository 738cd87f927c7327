import type { ImageModel, ImagesResponse } from 'openai/resources/images';
import { type Fault, invalidRequest } from './faults.ts';

export type Quality = NonNullable<ImagesResponse['quality']>;

/** What is to be made, with the defaults filled in. */
export interface Generation {
  readonly model: string;
  readonly prompt: string;
  readonly n: number;
  readonly width: number;
  readonly height: number;
  readonly quality: Quality;
  readonly format: 'png' | 'jpeg' | 'webp';
  readonly background: 'transparent' | 'opaque';
}

interface ModelRules {
  readonly qualities: readonly Quality[];
  /** Whether any size within the limits can be asked for, or only the three standard ones. */
  readonly freeSizes: boolean;
}

const THREE: readonly Quality[] = ['low', 'medium', 'high'];
const FIVE: readonly Quality[] = [...THREE, 'xhigh', 'max'];
const FIRST: ModelRules = { qualities: THREE, freeSizes: false };
const SECOND: ModelRules = { qualities: THREE, freeSizes: true };
const THIRD: ModelRules = { qualities: FIVE, freeSizes: true };

type Retired = 'dall-e-2' | 'dall-e-3' | 'gpt-image-1';

/** As the installed package documents its parameters. */
const MODELS: Readonly<Record<Exclude<ImageModel, Retired>, ModelRules>> = {
  'gpt-image-1-mini': FIRST,
  'gpt-image-1.5': FIRST,
  'chatgpt-image-latest': FIRST,
  'gpt-image-2': SECOND,
  'gpt-image-2-2026-04-21': SECOND,
  'gpt-image-2.5-sunburst': THIRD,
  'gpt-image-2.5-sunburst-2026-09-08': THIRD,
  'gpt-image-2.5-flare': THIRD,
  'gpt-image-2.5-flare-2026-09-08': THIRD,
  'gpt-image-2.6-sunburst': THIRD,
  'gpt-image-2.6-flare': THIRD,
};
const RULES = new Map<string, ModelRules>(Object.entries(MODELS));
const RETIRED: ReadonlySet<string> = new Set<Retired>(['dall-e-2', 'dall-e-3', 'gpt-image-1']);

const PARAMETERS: ReadonlySet<string> = new Set([
  'prompt',
  'background',
  'complexity',
  'model',
  'moderation',
  'n',
  'output_compression',
  'output_format',
  'partial_images',
  'quality',
  'safety_identifier',
  'size',
  'stream',
  'user',
]);
const FORMATS = ['png', 'jpeg', 'webp'] as const;
const STANDARD_SIZES: readonly string[] = ['1024x1024', '1536x1024', '1024x1536'];
const LONGEST_PROMPT = 32_000;
const MOST_IMAGES = 10;
const LONGEST_EDGE = 3_840;
const LEAST_PIXELS = 655_360;
const MOST_PIXELS = 3_840 * 2_160;

/** Carries a fault out of the reading. */
class Refused extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.error.message);
    this.fault = fault;
  }
}

/**
 * A request body as a generation, checked as the API would. GIF and SVG are refused: they need access to a preview.
 *
 * @returns the fault when it is refused
 */
export function readGeneration(text: string): Generation | { readonly fault: Fault } {
  try {
    return checked(parsed(text));
  } catch (error) {
    if (error instanceof Refused) return { fault: error.fault };
    throw error;
  }
}

function checked(body: ReadonlyMap<string, unknown>): Generation {
  for (const name of body.keys()) {
    // `response_format` and `style` too: the package keeps them for retired models only.
    if (!PARAMETERS.has(name)) refuse('unknown_parameter', name, `Unknown parameter: '${name}'.`);
  }
  const prompt = readPrompt(body);
  const model = readText(body, 'model') ?? missing('model');
  const rules = rulesOf(model);
  const n = readInteger(body, 'n', 1, MOST_IMAGES) ?? 1;
  const quality = readChoice(body, 'quality', [...rules.qualities, 'auto'] as const) ?? 'auto';
  const format = readChoice(body, 'output_format', FORMATS) ?? 'png';
  const background = readChoice(body, 'background', ['transparent', 'opaque', 'auto'] as const) ?? 'auto';
  if (background === 'transparent' && format === 'jpeg') {
    refuse('invalid_value', 'background', 'Transparent background is not supported for JPEG.');
  }
  readChoice(body, 'moderation', ['low', 'auto'] as const);
  readChoice(body, 'complexity', ['low', 'medium', 'high'] as const);
  readText(body, 'user');
  readText(body, 'safety_identifier');
  const compression = readInteger(body, 'output_compression', 0, 100);
  if (compression !== undefined && format === 'png') {
    refuse('invalid_value', 'output_compression', 'Compression is only supported for webp and jpeg.');
  }
  if ((body.get('stream') ?? false) !== false || (body.get('partial_images') ?? 0) !== 0) {
    refuse('unsupported_value', 'stream', 'Streaming is not supported here.');
  }
  return {
    model,
    prompt,
    n,
    ...readSize(body, rules),
    quality: quality === 'auto' ? 'high' : quality,
    format,
    background: background === 'transparent' ? 'transparent' : 'opaque',
  };
}

function readPrompt(body: ReadonlyMap<string, unknown>): string {
  const prompt = readText(body, 'prompt') ?? missing('prompt');
  if (prompt === '') {
    refuse('empty_string', 'prompt', "Invalid 'prompt': empty string. Expected a minimum length of 1.");
  }
  if ([...prompt].length > LONGEST_PROMPT) {
    refuse(
      'string_above_max_length',
      'prompt',
      `Invalid 'prompt': string too long. Expected a maximum length of ${LONGEST_PROMPT}.`,
    );
  }
  return prompt;
}

function rulesOf(model: string): ModelRules {
  const rules = RULES.get(model);
  if (rules !== undefined) return rules;
  const why = RETIRED.has(model) ? 'has been deprecated' : 'does not exist or you do not have access to it';
  throw new Refused(invalidRequest('model_not_found', 'model', `The model \`${model}\` ${why}.`, 404));
}

function readSize(body: ReadonlyMap<string, unknown>, rules: ModelRules): { width: number; height: number } {
  const size = readText(body, 'size') ?? 'auto';
  if (size === 'auto') return { width: 1_024, height: 1_024 };
  const [, width, height] = (/^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(size) ?? []).map(Number);
  const wrong = () => refuse('invalid_value', 'size', `Invalid value: '${size}'.`);
  if (width === undefined || height === undefined) return wrong();
  if (STANDARD_SIZES.includes(size)) return { width, height };
  const isWithinLimits =
    width % 16 === 0 &&
    height % 16 === 0 &&
    Math.max(width, height) <= LONGEST_EDGE &&
    Math.max(width, height) <= 3 * Math.min(width, height) &&
    width * height >= LEAST_PIXELS &&
    width * height <= MOST_PIXELS;
  return rules.freeSizes && isWithinLimits ? { width, height } : wrong();
}

function parsed(text: string): ReadonlyMap<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return refuse(null, null, 'We could not parse the JSON body of your request.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return refuse('invalid_type', null, 'Invalid body: expected an object.');
  }
  // A null is as good as nothing: every parameter but the prompt may be null.
  return new Map(Object.entries(body).filter(([, value]) => value !== null));
}

function readText(body: ReadonlyMap<string, unknown>, name: string): string | undefined {
  const value = body.get(name);
  if (value === undefined || typeof value === 'string') return value;
  return refuse('invalid_type', name, `Invalid type for '${name}': expected a string.`);
}

function readInteger(
  body: ReadonlyMap<string, unknown>,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const value = body.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    return refuse('invalid_type', name, `Invalid type for '${name}': expected an integer.`);
  }
  if (value < least) {
    return refuse('integer_below_min_value', name, `Invalid '${name}': expected a value >= ${least}.`);
  }
  if (value > most) {
    return refuse('integer_above_max_value', name, `Invalid '${name}': expected a value <= ${most}.`);
  }
  return value;
}

function readChoice<T extends string>(
  body: ReadonlyMap<string, unknown>,
  name: string,
  choices: readonly T[],
): T | undefined {
  const value = readText(body, name);
  if (value === undefined) return undefined;
  const choice = choices.find((one) => one === value);
  const supported = choices.map((one) => `'${one}'`).join(', ');
  return (
    choice ?? refuse('invalid_value', name, `Invalid value: '${value}'. Supported values are: ${supported}.`)
  );
}

function missing(name: string): never {
  return refuse('missing_required_parameter', name, `Missing required parameter: '${name}'.`);
}

function refuse(code: string | null, param: string | null, message: string): never {
  throw new Refused(invalidRequest(code, param, message));
}
