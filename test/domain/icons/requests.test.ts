import { describe, expect, test } from 'vitest';
import { imagesOf } from '../../../src/domain/icons/batchRequest.ts';
import { readBatchRequest } from '../../../src/domain/icons/readBatchRequest.ts';
import { readIconRequest } from '../../../src/domain/icons/readIconRequest.ts';

const STYLES = "['minimal', 'detailed', 'flat', 'modern', 'vintage', 'abstract', 'realistic']";
const COLORS = "['monochrome', 'colorful', 'blue_tones', 'warm_tones', 'cool_tones', 'brand_colors']";

describe('one icon', () => {
  test('needs a category only', () => {
    expect(readIconRequest({ category: ' garden tools ' })).toEqual({
      kind: 'request',
      request: {
        category: 'garden tools',
        style: 'modern',
        color_scheme: 'brand_colors',
        elements: [],
        variation: 1,
        total_variations: 1,
      },
    });
  });

  test('takes style and colours in any case, by alias, and null or a blank as the default', () => {
    const read = (fields: object) => {
      const { request } = requestOf(readIconRequest({ category: 'x', ...fields }));
      return [request.style, request.color_scheme];
    };
    expect(read({ style: 'FLAT', color_scheme: 'Blue_Tones' })).toEqual(['flat', 'blue_tones']);
    expect(read({ style: 'minimalist', color_scheme: 'vibrant' })).toEqual(['minimal', 'colorful']);
    expect(read({ style: '', color_scheme: null })).toEqual(['modern', 'brand_colors']);
    expect(read({ color_scheme: 'pastel' })).toEqual(['modern', 'pastel']);
  });

  test('takes elements as one line each, without blanks', () => {
    const { request } = requestOf(
      readIconRequest({ category: 'x', custom_elements: [' a\n b', '', '\ud800c'] }),
    );
    expect(request.elements).toEqual(['a b', '\ufffdc']);
  });

  test.each<[unknown, string]>([
    [undefined, 'Request data required'],
    [null, 'Request data required'],
    [{}, 'Request data required'],
    [['category'], 'Request data required'],
    ['category', 'Request data required'],
    [{ style: 'flat' }, 'Category is required'],
    [{ category: null }, 'Category is required'],
    [{ category: ' \t' }, 'Category is required'],
    // Of an older API with the same path.
    [{ category_id: 1, category_name: 'Tools', color: 'red' }, 'Category is required'],
    [{ category: 5 }, 'Category must be a string'],
    [{ category: ['tools'] }, 'Category must be a string'],
    [{ category: 'x'.repeat(201) }, 'Category is too long. Maximum 200 characters allowed'],
    [{ category: 'x', style: 'invalid_style' }, `Invalid style. Valid options: ${STYLES}`],
    [{ category: 'x', style: 3 }, `Invalid style. Valid options: ${STYLES}`],
    [{ category: 'x', color_scheme: 'ultraviolet' }, `Invalid color scheme. Valid options: ${COLORS}`],
    [{ category: 'x', color_scheme: {} }, `Invalid color scheme. Valid options: ${COLORS}`],
    ...['a', { 0: 'a' }, [1], [null], new Array(21).fill('a'), ['x'.repeat(101)]].map(
      (elements): [unknown, string] => [
        { category: 'x', custom_elements: elements },
        'custom_elements must be an array of at most 20 strings of at most 100 characters',
      ],
    ),
  ])('refuses %j', (body, message) => {
    expect(readIconRequest(body)).toEqual({ kind: 'refused', message });
  });
});

describe('a batch', () => {
  test('needs categories only, and drops blanks', () => {
    expect(readBatchRequest({ categories: [' tools', '', '  ', 'toys', 'toys'] })).toEqual({
      kind: 'request',
      request: {
        categories: ['tools', 'toys', 'toys'],
        variations: 1,
        style: 'modern',
        color_scheme: 'brand_colors',
        elements: new Map(),
        metadata: null,
      },
    });
  });

  test('is as many images as categories times variations, each variation in the next style', () => {
    const { request } = requestOf(
      readBatchRequest({
        categories: ['tools', '__proto__'],
        style: 'abstract',
        color_scheme: 'warm_tones',
        variations_per_category: 3,
        custom_elements: JSON.parse('{"tools": ["hammer"], "__proto__": ["x"], "other": ["y"]}'),
        metadata: { project: 7 },
      }),
    );
    expect(request.metadata).toEqual({ project: 7 });
    const shared = { color_scheme: 'warm_tones', total_variations: 3 };
    const tools = { ...shared, category: 'tools', elements: ['hammer'] };
    const proto = { ...shared, category: '__proto__', elements: ['x'] };
    expect(imagesOf(request)).toEqual([
      { ...tools, style: 'abstract', variation: 1 },
      { ...tools, style: 'realistic', variation: 2 },
      { ...tools, style: 'minimal', variation: 3 },
      { ...proto, style: 'abstract', variation: 1 },
      { ...proto, style: 'realistic', variation: 2 },
      { ...proto, style: 'minimal', variation: 3 },
    ]);
  });

  test('takes 50 categories after blanks were dropped', () => {
    const categories = Array.from({ length: 50 }, (_, index) => `category ${index}`);
    expect(readBatchRequest({ categories: [...categories, ' '] }).kind).toBe('request');
    expect(readBatchRequest({ categories: [...categories, 'one more'] })).toEqual({
      kind: 'refused',
      message: 'Validation failed',
      errors: ['Too many categories. Maximum 50 allowed, got 51'],
    });
  });

  test.each([
    [undefined, 'Request data required'],
    [{}, 'Request data required'],
    [[], 'Request data required'],
    [{ style: 'flat' }, 'At least one category is required'],
    [{ categories: [] }, 'At least one category is required'],
    [{ categories: ['', ' '] }, 'At least one category is required'],
    [{ categories: 'tools' }, 'At least one category is required'],
    [{ categories: { 0: 'tools' } }, 'At least one category is required'],
    // Of an older API with the same path.
    [{ categories: [{ id: 1, name: 'Tools' }], options: {} }, 'At least one category is required'],
  ])('refuses %j', (body, message) => {
    expect(readBatchRequest(body)).toEqual({ kind: 'refused', message });
  });

  test.each<[object, string]>([
    [{ categories: ['tools', 5] }, 'Categories must be strings'],
    [{ style: 'x' }, `Invalid style 'x'. Valid options: ${STYLES}`],
    [{ style: 7 }, `Invalid style '7'. Valid options: ${STYLES}`],
    [{ color_scheme: 'x' }, `Invalid color scheme 'x'. Valid options: ${COLORS}`],
    ...[0, 11, 1.5, '3', true, [1]].map((variations_per_category): [object, string] => [
      { variations_per_category },
      'Invalid variations_per_category. Must be an integer from 1 to 10',
    ]),
    [{ custom_elements: ['a'] }, 'custom_elements must be an object of arrays by category'],
    [
      { custom_elements: { tools: 'a' } },
      "custom_elements of 'tools' must be an array of at most 20 strings of at most 100 characters",
    ],
    [{ metadata: 'x' }, 'Metadata must be an object'],
    [{ metadata: [] }, 'Metadata must be an object'],
  ])('lists what is wrong: %j', (fields, error) => {
    expect(readBatchRequest({ categories: ['tools'], ...fields })).toEqual({
      kind: 'refused',
      message: 'Validation failed',
      errors: [error],
    });
  });

  test('lists everything that is wrong at once', () => {
    const read = readBatchRequest({ categories: ['a'], style: 'x', color_scheme: 'y', metadata: 1 });
    expect(read).toMatchObject({ errors: { length: 3 } });
  });
});

function requestOf<Read extends { kind: string }>(read: Read): Extract<Read, { kind: 'request' }> {
  if (!isRequest(read)) throw new Error(`It was refused: ${JSON.stringify(read)}`);
  return read;
}

function isRequest<Read extends { kind: string }>(read: Read): read is Extract<Read, { kind: 'request' }> {
  return read.kind === 'request';
}
