import { describe, expect, test } from 'vitest';
import {
  categoryTitle,
  STANDARD_CATEGORIES,
  standardCategory,
  suggestions,
} from '../../../src/domain/icons/categories.ts';

describe('the standard category of a category', () => {
  test.each([
    ['tools', 'tools'],
    ['TOOLS', 'tools'],
    ['  Personal   Care ', 'health_beauty'],
    ['home improvement', 'home_garden'],
    ['accessories', 'jewelry_accessories'],
    ['healthcare', 'medical'],
  ])('is found by the exact name: %s', (category, standard) => {
    expect(standardCategory(category)).toBe(standard);
  });

  test('is itself', () => {
    for (const category of STANDARD_CATEGORIES) expect(standardCategory(category)).toBe(category);
  });

  test.each([
    ['garden tools', 'tools'],
    ['power tool', 'tools'],
    ['toy', 'toys_games'],
    ['agricultural', 'agricultural'],
    ['bookstore', 'books_media'],
  ])('is the first one whose name contains it or is contained: %s', (category, standard) => {
    expect(standardCategory(category)).toBe(standard);
  });

  test.each(['carpets', 'scarves', 'art', 'Ω', '', '_', 'constructor', '__proto__'])(
    'is none for what is only spelled alike: %j',
    (category) => {
      expect(standardCategory(category)).toBe('default');
    },
  );
});

describe('suggestions', () => {
  test('are the 15 standard names without a query', () => {
    expect(suggestions(undefined)).toEqual([
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
    ]);
    expect(suggestions('  ')).toEqual(suggestions(undefined));
  });

  test('are the known names that contain the query, as titles, sorted and each once', () => {
    expect(suggestions('OUT')).toEqual(['Outdoor', 'Outdoor Sports']);
    expect(suggestions('equip')).toEqual(['Agricultural Equipment', 'Equipment']);
    expect(suggestions('accessories')).toEqual(['Accessories']);
    expect(suggestions('zzz')).toEqual([]);
  });
});

test('titles are made of underscores and any case', () => {
  expect(categoryTitle(' garden_tools  SET ')).toBe('Garden Tools Set');
});
