import { describe, expect, test } from 'vitest';
import { STANDARD_CATEGORIES } from '../../../src/domain/icons/categories.ts';
import { COLOR_SCHEMES } from '../../../src/domain/icons/colorSchemes.ts';
import { contentKey } from '../../../src/domain/icons/contentKey.ts';
import type { IconRequest, ImageSettings } from '../../../src/domain/icons/icon.ts';
import { promptOf } from '../../../src/domain/icons/prompts/promptOf.ts';
import { STYLES } from '../../../src/domain/icons/styles.ts';

const REQUEST: IconRequest = {
  category: 'garden tools',
  style: 'modern',
  color_scheme: 'blue_tones',
  elements: [],
  variation: 1,
  total_variations: 1,
};
const SETTINGS: ImageSettings = {
  model: 'a-model',
  size: '1024x1024',
  quality: 'medium',
  format: 'png',
};

describe('the prompt', () => {
  test('names style, category, colours, what to show and the quality, in one line', () => {
    expect(promptOf({ ...REQUEST, elements: ['a spade', 'a rake'] })).toBe(
      'A modern, clean and rounded design with subtle depth, icon for the product category "Garden Tools". ' +
        'Use shades of blue, from light sky to deep navy. ' +
        'Show typical hand tools such as a hammer, a wrench or a screwdriver. Include: a spade, a rake. ' +
        'One centred subject with a clear silhouette that can be recognised at small sizes. ' +
        'Plain background, balanced margins, crisp edges. ' +
        'No text, letters, numbers, logos or watermarks.',
    );
  });

  test('differs for every category, style and colour scheme', () => {
    const prompts = [...STANDARD_CATEGORIES, 'unheard of'].flatMap((category) =>
      STYLES.flatMap((style) =>
        COLOR_SCHEMES.map((color_scheme) => promptOf({ ...REQUEST, category, style, color_scheme })),
      ),
    );
    expect(new Set(prompts).size).toBe(16 * 7 * 8);
    for (const prompt of prompts) expect(prompt).toMatch(/^[^\n]{100,1000}\.$/);
  });

  test('beyond 1000 characters leaves the quality out and keeps the elements', () => {
    const elements = Array.from({ length: 20 }, (_, index) => `${index}`.padEnd(99, 'x'));
    const prompt = promptOf({ ...REQUEST, elements });
    expect(prompt.endsWith(`${elements.at(-1)}.`)).toBe(true);
    expect(prompt.startsWith('A modern')).toBe(true);
    expect(prompt).not.toContain('centred');
  });

  test('has no line breaks, controls or template marks of the client', () => {
    const prompt = promptOf({ ...REQUEST, category: 'a\u0000b\n{style} $& $1', elements: ['x\u001by'] });
    expect(prompt).not.toMatch(/\p{Cc}/u);
    expect(prompt).toContain('"A b {style} $& $1"');
  });
});

describe('the content key', () => {
  test('is the same for what looks the same', () => {
    const key = contentKey(REQUEST, SETTINGS);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    for (const category of ['  Garden \t TOOLS', 'garden_tools', '_Garden__tools ', 'garden _ tools']) {
      expect(promptOf({ ...REQUEST, category })).toBe(promptOf(REQUEST));
      expect(contentKey({ ...REQUEST, category }, SETTINGS)).toBe(key);
    }
    expect(contentKey({ ...REQUEST, total_variations: 3 }, SETTINGS)).toBe(key);
  });

  test('is another one for whatever changes the image', () => {
    const others: { request?: Partial<IconRequest>; settings?: Partial<ImageSettings> }[] = [
      { request: { category: 'gardentools' } },
      { request: { style: 'flat' } },
      { request: { color_scheme: 'natural' } },
      { request: { elements: ['a', 'b'] } },
      { request: { elements: ['a,b'] } },
      { request: { elements: ['b', 'a'] } },
      { request: { variation: 2 } },
      { settings: { model: 'other' } },
      { settings: { size: '512x512' } },
      { settings: { quality: 'high' } },
    ];
    const keys = others.map(({ request, settings }) =>
      contentKey({ ...REQUEST, ...request }, { ...SETTINGS, ...settings }),
    );
    expect(new Set([contentKey(REQUEST, SETTINGS), ...keys]).size).toBe(others.length + 1);
  });

  test('stands for one prompt', () => {
    const same = { ...REQUEST, category: 'GARDEN   tools' };
    expect(contentKey(same, SETTINGS)).toBe(contentKey(REQUEST, SETTINGS));
    expect(promptOf(same)).toBe(promptOf(REQUEST));
  });
});
