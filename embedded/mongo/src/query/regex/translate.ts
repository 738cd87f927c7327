import { MongoServerError, notSupported } from '../../errors.ts';
import { escapedSet, namedSet, point } from './characterSets.ts';

interface Flags {
  /** `^` and `$` also match at line ends. */
  m: boolean;
  /** `.` also matches a newline. */
  s: boolean;
  /** White space and comments are left out. */
  x: boolean;
}

/**
 * A PCRE pattern as one of JavaScript's unicode mode with the same meaning. The `m`, `s` and `x` options are written
 * into it, because JavaScript's line ends are others.
 * @throws MongoServerError 51091 for a pattern that is wrong, CommandNotSupported for one that JavaScript cannot express
 */
export function translatePattern(pattern: string, flags: Flags): string {
  return new Translation(pattern, flags).run();
}

export function invalidPattern(reason: string): MongoServerError {
  return new MongoServerError('Location51091', `Regular expression is invalid: ${reason}`);
}

const subjectStart = '(?<![^])';
const subjectEnd = '(?![^])';
const controls: Readonly<Record<string, string>> = {
  a: point(7),
  e: point(27),
  t: '\\t',
  n: '\\n',
  r: '\\r',
  f: '\\f',
};
const assertions: Readonly<Record<string, string>> = {
  A: subjectStart,
  z: subjectEnd,
  Z: `(?=\\n?${subjectEnd})`,
  b: '\\b',
  B: '\\B',
  N: '[^\\n]',
  R: '(?:\\r\\n|[\\n-\\r\\u0085\\u2028\\u2029])',
};

class Translation {
  private readonly pattern: string;
  private flags: Flags;
  private readonly outer: Flags[] = [];
  private readonly groups: number;
  private openedGroups = 0;
  private position = 0;
  private output = '';

  constructor(pattern: string, flags: Flags) {
    this.pattern = pattern;
    this.flags = flags;
    this.groups = [...pattern.matchAll(/\\.|\((?!\?(?!P?<[a-zA-Z_]|')|\*)/gs)].filter(
      ([found]) => found === '(',
    ).length;
  }

  run(): string {
    while (this.position < this.pattern.length) this.step();
    return this.output;
  }

  private step(): void {
    const character = String.fromCodePoint(this.pattern.codePointAt(this.position) ?? 0);
    this.position += character.length;
    switch (character) {
      case '\\':
        this.escape();
        return;
      case '[':
        this.output += this.brackets();
        return;
      case '(':
        this.open();
        return;
      case ')':
        this.flags = this.outer.pop() ?? this.flags;
        this.output += ')';
        return;
      case '^':
        this.output += this.flags.m ? `(?:${subjectStart}|(?<=\\n)(?=[^]))` : '^';
        return;
      case '$':
        this.output += this.flags.m ? `(?=\\n|${subjectEnd})` : `(?=\\n?${subjectEnd})`;
        return;
      case '.':
        this.output += this.flags.s ? '[^]' : '[^\\n]';
        return;
      case '*':
      case '+':
      case '?':
        this.quantifier(character);
        return;
      case '{':
        this.brace();
        return;
      case '}':
      case ']':
        this.output += `\\${character}`;
        return;
      default:
        this.plain(character);
    }
  }

  private plain(character: string): void {
    if (this.flags.x && /[ \t\n\v\f\r]/.test(character)) return;
    if (this.flags.x && character === '#') this.take(/[^\n]*\n?/y);
    else this.output += character;
  }

  /** Matches at the position and goes past it. */
  private take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.position;
    const match = expression.exec(this.pattern);
    if (match !== null) this.position += match[0].length;
    return match;
  }

  private brace(): void {
    const counts = this.take(/\d+(?:,\d*)?\}/y);
    if (counts === null) this.output += '\\{';
    else this.quantifier(`{${counts[0]}`);
  }

  private quantifier(quantifier: string): void {
    if (this.take(/\+/y) !== null) throw notSupported('a possessive quantifier of a regular expression');
    this.output += quantifier + (this.take(/\?/y)?.[0] ?? '');
  }

  private open(): void {
    if (this.take(/\?#[^)]*\)/y) !== null) return;
    const verb = this.take(/\*([A-Z_0-9]+)[^)]*\)/y);
    if (verb !== null) {
      if (verb[1] === 'UTF8' || verb[1] === 'UTF') return;
      throw notSupported(`(*${verb[1]}) in a regular expression`);
    }
    const reference = this.take(/\?P=(\w+)\)/y);
    if (reference !== null) {
      this.output += `\\k<${reference[1]}>`;
      return;
    }
    const options = this.take(/\?([imsx]*)(?:-([imsx]*))?(:|\))/y);
    if (options !== null) {
      this.options(options[1] ?? '', options[2] ?? '', options[3] === ')');
      return;
    }
    this.outer.push(this.flags);
    const name = this.take(/\?(?:P?<([a-zA-Z_]\w*)>|'([a-zA-Z_]\w*)')/y);
    const around = name === null ? this.take(/\?(?:<?[=!])/y) : null;
    if (name === null && around === null && this.pattern[this.position] === '?')
      throw notSupported(
        `'(${this.pattern.slice(this.position, this.position + 2)}' in a regular expression`,
      );
    if (around === null) this.openedGroups++;
    this.output += name === null ? `(${around?.[0] ?? ''}` : `(?<${name[1] ?? name[2]}>`;
  }

  /** `(?i:` is a group of its own; `(?i)` goes on to the end of the group it is in, and is known at the start only. */
  private options(on: string, off: string, isOpenEnded: boolean): void {
    const next = { ...this.flags };
    for (const flag of ['m', 's', 'x'] as const) {
      if (on.includes(flag)) next[flag] = true;
      if (off.includes(flag)) next[flag] = false;
    }
    if (isOpenEnded && (this.output !== '' || on.includes('i') || off.includes('i')))
      throw notSupported('an option in the middle of a regular expression');
    if (!isOpenEnded) {
      this.outer.push(this.flags);
      const [plus, minus] = [on.includes('i') ? 'i' : '', off.includes('i') ? '-i' : ''];
      this.output += `(?${plus}${minus}:`;
    }
    this.flags = next;
  }

  private escape(): void {
    const quoted = this.take(/Q(.*?)(?:\\E|$)/sy);
    if (quoted !== null) {
      for (const character of quoted[1] ?? '') this.output += literal(character);
      return;
    }
    if (this.take(/E/y) !== null) return;
    const reference = this.reference();
    if (reference !== null) {
      this.output += reference;
      return;
    }
    const assertion = this.take(/[AzZbBNR]/y);
    const set = assertion === null ? this.take(/[hHvVsS]/y) : null;
    if (assertion !== null) this.output += assertions[assertion[0]] ?? '';
    else if (set !== null) this.output += `[${escapedSet(set[0]) ?? ''}]`;
    else this.output += this.character();
  }

  /** `\1`, `\g{1}`, `\k<name>`; null when the escape is none. */
  private reference(): string | null {
    const named = this.take(/k(?:<(\w+)>|\{(\w+)\}|'(\w+)')/y) ?? this.take(/g\{([a-zA-Z_]\w*)\}/y);
    if (named !== null) return `\\k<${named[1] ?? named[2] ?? named[3]}>`;
    const given = this.take(/g(?:\{([+-]?\d+)\}|(-?\d+))/y);
    if (given !== null) {
      const number = Number(given[1] ?? given[2]);
      return this.groupReference(number < 0 ? this.openedGroups + 1 + number : number);
    }
    const start = this.position;
    const digits = this.take(/[1-9]\d*/y);
    if (digits === null) return null;
    const number = Number(digits[0]);
    if (number < 10 || number <= this.groups) return this.groupReference(number);
    this.position = start;
    return null;
  }

  private groupReference(number: number): string {
    if (number < 1 || number > this.groups) throw invalidPattern('reference to non-existent subpattern');
    // closed off, so that a digit that follows does not become part of the number
    return `(?:\\${number})`;
  }

  /** An escape that stands for one character or a class, inside and outside of brackets. */
  private character(): string {
    const hex = this.take(/x\{([0-9a-fA-F]+)\}/y) ?? this.take(/x([0-9a-fA-F]{0,2})/y);
    if (hex !== null) return code(Number.parseInt(hex[1] || '0', 16));
    const octal = this.take(/o\{([0-7]+)\}/y) ?? this.take(/(0[0-7]{0,2}|[1-7][0-7]{0,2})/y);
    if (octal !== null) return code(Number.parseInt(octal[1] ?? '0', 8));
    const property = this.take(/([pP])(?:\{(\^?)([\w&]+)\}|([A-Z]))/y);
    if (property !== null) {
      const isNegated = (property[1] === 'P') !== (property[2] === '^');
      return `\\${isNegated ? 'P' : 'p'}{${propertyName(property[3] ?? property[4] ?? '')}}`;
    }
    const control = this.take(/c([A-Za-z])/y);
    if (control !== null) return `\\c${control[1]}`;
    const letter = String.fromCodePoint(this.pattern.codePointAt(this.position) ?? 0);
    if (this.position >= this.pattern.length) throw invalidPattern('\\ at end of pattern');
    this.position += letter.length;
    if (/[dDwW]/.test(letter)) return `\\${letter}`;
    const simple = controls[letter];
    if (simple !== undefined) return simple;
    if ('CGKX'.includes(letter)) throw notSupported(`'\\${letter}' in a regular expression`);
    if (/[a-zA-Z0-9]/.test(letter)) throw invalidPattern(`unrecognized character follows \\: ${letter}`);
    return literal(letter);
  }

  private brackets(): string {
    let inside = this.take(/\^/y) === null ? '[' : '[^';
    let isFirst = true;
    let afterSet = false;
    for (;;) {
      if (this.position >= this.pattern.length)
        throw invalidPattern('missing terminating ] for character class');
      if (!isFirst && this.take(/\]/y) !== null) return `${inside}]`;
      const set = this.setInBrackets();
      // a hyphen beside a set makes no range
      const isPlainHyphen = (isFirst || afterSet) && this.pattern[this.position] === '-';
      const beforeSet = this.pattern[this.position] === '-' && this.setFollows(this.position + 1);
      if (set !== null) inside += set;
      else if (isPlainHyphen || beforeSet) {
        this.position++;
        inside += '\\-';
      } else inside += this.characterInBrackets();
      afterSet = set !== null;
      isFirst = false;
    }
  }

  private setFollows(position: number): boolean {
    return /\\[dDwWsShHvVpP]|\[:/y.test(this.pattern.slice(position, position + 2));
  }

  private setInBrackets(): string | null {
    const named = this.take(/\[:(\^?\w+):\]/y);
    if (named !== null) {
      const set = namedSet(named[1] ?? '');
      if (set === undefined) throw invalidPattern(`unknown POSIX class name ${named[1]}`);
      return set;
    }
    const escaped = this.take(/\\([hHvVsS])/y);
    if (escaped !== null) return escapedSet(escaped[1] ?? '') ?? null;
    if (!/^\\[dDwWpP]/.test(this.pattern.slice(this.position, this.position + 2))) return null;
    this.position++;
    return this.character();
  }

  private characterInBrackets(): string {
    const quoted = this.take(/\\Q(.*?)(?:\\E|$)/sy);
    if (quoted !== null) return [...(quoted[1] ?? '')].map(literal).join('');
    if (this.take(/\\E/y) !== null) return '';
    if (this.take(/\\b/y) !== null) return '\\b';
    if (this.take(/\\/y) !== null) return this.character();
    const character = String.fromCodePoint(this.pattern.codePointAt(this.position) ?? 0);
    this.position += character.length;
    return character === '-' ? '-' : literal(character);
  }
}

function literal(character: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(character) ? point(character.codePointAt(0) ?? 0) : character;
}

function code(number: number): string {
  if (number > 0x10ffff) throw invalidPattern('character code point value is too large');
  return point(number);
}

function propertyName(name: string): string {
  if (name === 'L&') return 'LC';
  if (/^X[a-z]{2}$/.test(name)) throw notSupported(`\\p{${name}} in a regular expression`);
  return name === 'Any' || name.length <= 2 ? name : `Script_Extensions=${name}`;
}
