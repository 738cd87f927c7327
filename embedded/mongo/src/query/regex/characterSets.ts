/** Sets of characters that PCRE names and JavaScript does not, or means otherwise: as ranges of code points. */
type Ranges = readonly (readonly [low: number, high: number])[];

const last = 0x10ffff;

function ranges(...texts: readonly string[]): Ranges {
  return texts.map((text) => [text.codePointAt(0) ?? 0, text.codePointAt(text.length - 1) ?? 0] as const);
}

const horizontalSpace = ranges(
  '\t',
  ' ',
  '\u00a0',
  '\u1680',
  '\u180e',
  '\u2000\u200a',
  '\u202f',
  '\u205f',
  '\u3000',
);
const verticalSpace = ranges('\n\r', '\u0085', '\u2028\u2029');
const space = ranges('\t\r', ' ');
const word = ranges('09', 'AZ', '_', 'az');

const byEscape: Readonly<Record<string, Ranges>> = { h: horizontalSpace, v: verticalSpace, s: space };

const byName: Readonly<Record<string, Ranges>> = {
  alpha: ranges('AZ', 'az'),
  digit: ranges('09'),
  alnum: ranges('09', 'AZ', 'az'),
  upper: ranges('AZ'),
  lower: ranges('az'),
  space,
  blank: ranges('\t', ' '),
  punct: ranges('!/', ':@', '[`', '{~'),
  xdigit: ranges('09', 'AF', 'af'),
  word,
  cntrl: ranges('\0\u001f', '\u007f'),
  print: ranges(' ~'),
  graph: ranges('!~'),
  ascii: ranges('\0\u007f'),
};

/** What `\h`, `\v`, `\s` and their negations stand for inside brackets; undefined for another escape. */
export function escapedSet(letter: string): string | undefined {
  const found = byEscape[letter.toLowerCase()];
  if (found === undefined) return undefined;
  return written(letter === letter.toLowerCase() ? found : complement(found));
}

/** What `[:name:]` or `[:^name:]` stands for inside brackets; undefined when there is no such name. */
export function namedSet(name: string): string | undefined {
  const isNegated = name.startsWith('^');
  const found = byName[isNegated ? name.slice(1) : name];
  if (found === undefined) return undefined;
  return written(isNegated ? complement(found) : found);
}

function complement(set: Ranges): Ranges {
  const gaps: [number, number][] = [];
  let from = 0;
  for (const [low, high] of set) {
    if (low > from) gaps.push([from, low - 1]);
    from = high + 1;
  }
  if (from <= last) gaps.push([from, last]);
  return gaps;
}

function written(set: Ranges): string {
  return set.map(([low, high]) => (low === high ? point(low) : `${point(low)}-${point(high)}`)).join('');
}

/** A code point as JavaScript's unicode mode takes it anywhere. */
export function point(code: number): string {
  return `\\u{${code.toString(16)}}`;
}
