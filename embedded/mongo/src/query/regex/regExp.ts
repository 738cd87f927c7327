import { badValue } from '../../errors.ts';
import { invalidPattern, translatePattern } from './translate.ts';

const maximumKept = 200;
const kept = new Map<string, RegExp>();

/**
 * A JavaScript regular expression for a PCRE one. Those of an aggregation are asked for with every document, so the
 * latest are kept; they have no state.
 * @throws MongoServerError BadValue, 51091, CommandNotSupported
 */
export function toRegExp(pattern: string, options: string): RegExp {
  const key = `${options}/${pattern}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  const expression = compile(pattern, options);
  if (kept.size >= maximumKept) kept.clear();
  kept.set(key, expression);
  return expression;
}

/** For what a data file holds: earlier versions took some patterns in a meaning of their own, and the file must open. */
export function storedRegExp(pattern: string, options: string): RegExp {
  try {
    return toRegExp(pattern, options);
  } catch {
    return new RegExp(pattern, [...new Set(options)].filter((option) => 'ims'.includes(option)).join(''));
  }
}

function compile(pattern: string, options: string): RegExp {
  const unknown = [...options].find((option) => !'imsxu'.includes(option));
  if (unknown !== undefined) throw badValue(`invalid flag in regex options: ${unknown}`);
  const [inline = ''] = /^(?:\(\?[imsx]+\))+/.exec(pattern) ?? [];
  const given = options + inline;
  const flags = { m: given.includes('m'), s: given.includes('s'), x: given.includes('x') };
  const source = translatePattern(pattern.slice(inline.length), flags);
  try {
    return new RegExp(source, given.includes('i') ? 'iu' : 'u');
  } catch (error) {
    throw invalidPattern(error instanceof Error ? error.message : pattern);
  }
}
