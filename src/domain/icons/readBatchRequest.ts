import { type BatchRequest, MOST_CATEGORIES, MOST_VARIATIONS } from './batchRequest.ts';
import { COLOR_SCHEME_OPTIONS, readColorScheme, readStyle, STYLE_OPTIONS } from './looks.ts';
import { ELEMENTS_WANTED, fieldsOf, LONGEST_CATEGORY, readElements, trimmed } from './requestFields.ts';

export type ReadBatch =
  | { readonly kind: 'request'; readonly request: BatchRequest }
  /** `errors` lists what is wrong, where the contract has such a list. */
  | { readonly kind: 'refused'; readonly message: string; readonly errors?: readonly string[] };

/** What is read of a field: its value, or what is wrong with it. */
type Field<Value> = { readonly value: Value } | { readonly error: string };

const LONGEST_SHOWN = 50;

/** Reads what is asked for with `POST /api/icons/generate/batch` (the icons contract). */
export function readBatchRequest(body: unknown): ReadBatch {
  const fields = fieldsOf(body);
  if (!fields) return { kind: 'refused', message: 'Request data required' };
  const given = textsOf(fields['categories']);
  if (given.texts.length === 0) return { kind: 'refused', message: 'At least one category is required' };

  const categories = readCategories(given);
  const variations = readVariations(fields['variations_per_category']);
  const style = readLook(fields['style'], readStyle, 'style', STYLE_OPTIONS);
  const colorScheme = readLook(fields['color_scheme'], readColorScheme, 'color scheme', COLOR_SCHEME_OPTIONS);
  const elements = readElementsByCategory(fields['custom_elements'], given.texts);
  const metadata = readMetadata(fields['metadata']);
  if (
    'error' in categories ||
    'error' in variations ||
    'error' in style ||
    'error' in colorScheme ||
    'error' in elements ||
    'error' in metadata
  ) {
    const errors = [categories, variations, style, colorScheme, elements, metadata].flatMap(errorOf);
    return { kind: 'refused', message: 'Validation failed', errors };
  }
  return {
    kind: 'request',
    request: {
      categories: categories.value,
      variations: variations.value,
      style: style.value,
      color_scheme: colorScheme.value,
      elements: elements.value,
      metadata: metadata.value,
    },
  };
}

interface Texts {
  /** Trimmed, without blanks. */
  readonly texts: readonly string[];
  readonly hasOthers: boolean;
}

/** A list of something else, such as the objects of an older API, has no texts. */
function textsOf(value: unknown): Texts {
  if (!Array.isArray(value)) return { texts: [], hasOthers: false };
  const items: readonly unknown[] = value;
  const texts = items.filter((item) => typeof item === 'string');
  return {
    texts: texts.map(trimmed).filter((text) => text !== ''),
    hasOthers: texts.length < items.length,
  };
}

function readCategories({ texts, hasOthers }: Texts): Field<readonly string[]> {
  if (hasOthers) return { error: 'Categories must be strings' };
  if (texts.length > MOST_CATEGORIES) {
    return { error: `Too many categories. Maximum ${MOST_CATEGORIES} allowed, got ${texts.length}` };
  }
  if (texts.some((text) => text.length > LONGEST_CATEGORY)) {
    return { error: `Category is too long. Maximum ${LONGEST_CATEGORY} characters allowed` };
  }
  return { value: texts };
}

function readVariations(value: unknown): Field<number> {
  if (value === undefined || value === null) return { value: 1 };
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST_VARIATIONS) {
    return { value };
  }
  return { error: `Invalid variations_per_category. Must be an integer from 1 to ${MOST_VARIATIONS}` };
}

function readLook<Look>(
  value: unknown,
  read: (value: unknown) => Look | undefined,
  what: string,
  options: string,
): Field<Look> {
  const look = read(value);
  if (look !== undefined) return { value: look };
  return { error: `Invalid ${what} '${shown(value)}'. Valid options: ${options}` };
}

/** Those of categories that are not asked for are left out. */
function readElementsByCategory(
  value: unknown,
  categories: readonly string[],
): Field<ReadonlyMap<string, readonly string[]>> {
  if (value === undefined || value === null) return { value: new Map() };
  if (typeof value !== 'object' || Array.isArray(value)) {
    return { error: 'custom_elements must be an object of arrays by category' };
  }
  const wanted = new Set(categories);
  const elements = new Map<string, readonly string[]>();
  for (const [name, list] of Object.entries(value)) {
    const read = readElements(list);
    if (!read) return { error: `custom_elements of '${shown(name)}' ${ELEMENTS_WANTED}` };
    if (wanted.has(trimmed(name))) elements.set(trimmed(name), read);
  }
  return { value: elements };
}

function readMetadata(value: unknown): Field<Readonly<Record<string, unknown>> | null> {
  if (value === undefined || value === null) return { value: null };
  if (typeof value !== 'object' || Array.isArray(value)) return { error: 'Metadata must be an object' };
  return { value: { ...value } };
}

function errorOf(field: Field<unknown>): string[] {
  return 'error' in field ? [field.error] : [];
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}
