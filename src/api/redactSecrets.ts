const SECRET_NAME =
  /pass(word|phrase)|secret|token|authorization|cookie|credential|api[-_]?key|private[-_]?key/i;
const DEEPEST = 16;

/** A copy for display, in which the value of every field whose name sounds like a secret is covered. */
export function redactSecrets(value: unknown): unknown {
  return copy(value, 0);
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DEEPEST) return '[nested deeper than is shown]';
  if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      SECRET_NAME.test(name) ? '[redacted]' : copy(item, depth + 1),
    ]),
  );
}
