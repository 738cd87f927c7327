const SECRET_NAME =
  /pass(word|phrase)|secret|token|authorization|cookie|credential|api[-_]?key|private[-_]?key/i;
/** User and password in an address, and what follows the scheme of an Authorization header. */
const SECRETS_IN_TEXT: readonly RegExp[] = [
  /(?<=:\/\/)[^\s/@]+(?=@)/g,
  /(?<=\b(?:Bearer|Basic) )[\w.~+/=-]{8,}/gi,
];
const REDACTED = '[redacted]';
const DEEPEST = 16;

/**
 * A copy for display of a value that is plain data. The value of every field whose name sounds like a secret is
 * covered, and so are credentials inside of texts.
 */
export function redactSecrets<Shown>(shown: Shown): Shown {
  const copy = structuredClone(shown);
  coverIn(copy, 0);
  return copy;
}

function coverIn(value: unknown, depth: number): void {
  if (!isContainer(value)) return;
  for (const [name, item] of Object.entries(value)) {
    if (SECRET_NAME.test(name) && item !== null) value[name] = REDACTED;
    else if (typeof item === 'string') value[name] = covered(item);
    else if (depth < DEEPEST) coverIn(item, depth + 1);
    else value[name] = '[nested deeper than is shown]';
  }
}

function covered(text: string): string {
  return SECRETS_IN_TEXT.reduce((rest, secret) => rest.replace(secret, REDACTED), text);
}

/** An object, or an array whose places are its fields. */
function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
