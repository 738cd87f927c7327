import { expect, test } from 'vitest';
import { countWords } from '../../../src/domain/workspace/project.ts';

test.each([
  ['', 0],
  [' \n\t ', 0],
  ['one', 1],
  ['one two  three\nfour\tfive ', 5],
  [' lead and trail ', 3],
  ['xin chào thế giới', 4],
  ['no\u00a0break\u3000ideographic\u2028line', 4],
  ['data:image/png;base64,iVBORw0KGgo=', 1],
  ['emoji 🙂🙂 end', 3],
])('%j has %i words', (text, words) => {
  expect(countWords(text)).toBe(words);
  expect(text.split(/\s+/).filter((word) => word !== '')).toHaveLength(words);
});

test('a content of the largest size is counted at once', () => {
  expect(countWords('a '.repeat(524_288))).toBe(524_288);
});
