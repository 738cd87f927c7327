/** In the order of the contract (the icons contract, Enumerations). */
export const STANDARD_CATEGORIES = [
  'office_supplies',
  'electronics',
  'tools',
  'automotive',
  'home_garden',
  'sports',
  'clothing',
  'food_beverage',
  'health_beauty',
  'books_media',
  'toys_games',
  'jewelry_accessories',
  'industrial',
  'agricultural',
  'medical',
] as const;
export type StandardCategory = (typeof STANDARD_CATEGORIES)[number];

/** By what people call the standard categories, in the order in which they are looked through. */
const KNOWN_NAMES: ReadonlyMap<string, StandardCategory> = new Map([
  ...named('office_supplies', ['office supplies', 'office', 'business', 'stationery', 'paper products']),
  ...named('electronics', ['electronics', 'computers', 'tech', 'gadgets', 'devices']),
  ...named('tools', ['tools', 'hardware', 'construction', 'repair', 'maintenance']),
  ...named('automotive', ['automotive', 'auto', 'car', 'vehicle', 'transportation']),
  ...named('home_garden', ['home', 'garden', 'home improvement', 'gardening', 'outdoor']),
  ...named('sports', ['sports', 'fitness', 'recreation', 'outdoor sports', 'exercise']),
  ...named('clothing', ['clothing', 'apparel', 'fashion', 'textiles']),
  ...named('jewelry_accessories', ['accessories']),
  ...named('food_beverage', ['food', 'beverage', 'drinks', 'kitchen', 'cooking']),
  ...named('health_beauty', ['health', 'beauty', 'cosmetics', 'personal care', 'wellness']),
  ...named('books_media', ['books', 'media', 'entertainment', 'education', 'learning']),
  ...named('toys_games', ['toys', 'games', 'children', 'kids', 'play']),
  ...named('jewelry_accessories', ['jewelry', 'watches', 'luxury']),
  ...named('industrial', ['industrial', 'manufacturing', 'machinery', 'equipment']),
  ...named('agricultural', ['agriculture', 'farming', 'agricultural equipment']),
  ...named('medical', ['medical', 'healthcare', 'pharmaceutical']),
]);

/** Shorter ones stand in too many words that mean something else, as `car` does in `carpet`. */
const SHORTEST_FRAGMENT = 5;

/**
 * The standard category that a category belongs to: by its exact name, else by the first known name that it contains or
 * that contains it, first as whole words and then as a part of one.
 *
 * @param category - as people write it
 * @returns `default` when it is like none of them
 */
export function standardCategory(category: string): StandardCategory | 'default' {
  const name = normalizedCategory(category);
  return exactly(name) ?? firstNamed(name, sharesWords) ?? firstNamed(name, sharesFragment) ?? 'default';
}

/** Lower-cased, with single spaces, also for `_`: categories that differ in nothing else are the same. */
export function normalizedCategory(category: string): string {
  return category
    .toLowerCase()
    .replace(/[\s_]+/g, ' ')
    .trim();
}

/** `garden_tools` and `GARDEN tools` are both shown as `Garden Tools`. */
export function categoryTitle(category: string): string {
  return normalizedCategory(category)
    .split(' ')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join(' ');
}

/**
 * Categories to choose from.
 *
 * @param query - a part of their names; without it, the standard categories by the contract's names
 */
export function suggestions(query: string | undefined): string[] {
  const wanted = normalizedCategory(query ?? '');
  if (wanted === '') return [...STANDARD_CATEGORIES];
  return [...KNOWN_NAMES.keys()]
    .filter((name) => name.includes(wanted))
    .map(categoryTitle)
    .toSorted();
}

function named(category: StandardCategory, names: readonly string[]): [string, StandardCategory][] {
  return names.map((name) => [name, category]);
}

function exactly(name: string): StandardCategory | undefined {
  return (
    KNOWN_NAMES.get(name) ?? STANDARD_CATEGORIES.find((standard) => standard.replaceAll('_', ' ') === name)
  );
}

function firstNamed(
  name: string,
  isAlike: (one: string, other: string) => boolean,
): StandardCategory | undefined {
  for (const [known, category] of KNOWN_NAMES) {
    if (isAlike(name, known) || isAlike(known, name)) return category;
  }
  return undefined;
}

/** `power tool` and `tools` do: words are compared without a plural's `s`. */
function sharesWords(whole: string, part: string): boolean {
  return part !== '' && ` ${singulars(whole)} `.includes(` ${singulars(part)} `);
}

function singulars(words: string): string {
  return words
    .split(' ')
    .map((word) => word.replace(/(?<=[^s])s$/, ''))
    .join(' ');
}

function sharesFragment(whole: string, part: string): boolean {
  return part.length >= SHORTEST_FRAGMENT && whole.includes(part);
}
