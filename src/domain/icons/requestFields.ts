/** Longer than any name of a category, and short enough for a prompt. */
export const LONGEST_CATEGORY = 200;
/** What a prompt of four sentences can hold. */
export const MOST_ELEMENTS = 20;
export const LONGEST_ELEMENT = 100;

export const ELEMENTS_WANTED = `must be an array of at most ${MOST_ELEMENTS} strings of at most ${LONGEST_ELEMENT} characters`;

/** The fields of a body, by name, or nothing when there are none: then the request has no data. */
export function fieldsOf(body: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined;
  return Object.keys(body).length > 0 ? { ...body } : undefined;
}

/** What an icon should show besides: blanks are dropped. @returns nothing when it is no such list */
export function readElements(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MOST_ELEMENTS) return undefined;
  const items: readonly unknown[] = value;
  const elements: string[] = [];
  for (const item of items) {
    if (typeof item !== 'string' || item.length > LONGEST_ELEMENT) return undefined;
    const element = oneLine(item);
    if (element !== '') elements.push(element);
  }
  return elements;
}

/** Trimmed; a text that was cut in the middle of a character is made whole, so that it can be stored and sent. */
export function trimmed(text: string): string {
  return text.toWellFormed().trim();
}

function oneLine(text: string): string {
  return trimmed(text).replace(/\s+/g, ' ');
}
