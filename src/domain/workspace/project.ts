/** A project without its content. */
export interface Project {
  readonly user_id: string;
  /** Unique over all users. */
  readonly code: string;
  /** Ascending in the order of the user's saves. */
  readonly number: number;
  readonly title: string;
  readonly app_source: string;
  readonly project_type: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** UTF-8 bytes of the content. */
  readonly size_bytes: number;
  readonly word_count: number;
  /** Milliseconds since 1970 UTC, as are all times. */
  readonly created_at: number;
  readonly updated_at: number;
}

export interface ProjectWithContent extends Project {
  /** A text, an image in base64, or an address. */
  readonly content: string;
}

/** What a client sends to save a project. */
export interface NewProject {
  readonly user_id: string;
  readonly title: string;
  readonly app_source: string;
  readonly project_type: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly content: string;
}

const WHITE_SPACE = /\s/;

/** Runs of anything but white space. Goes through the text once and makes no list: a content may have half a million. */
export function countWords(text: string): number {
  let words = 0;
  let isInWord = false;
  for (let at = 0; at < text.length; at++) {
    const isSpace = isWhiteSpace(text, at);
    if (!isSpace && !isInWord) words += 1;
    isInWord = !isSpace;
  }
  return words;
}

function isWhiteSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code > 0x20 && code < 0x80) return false;
  return WHITE_SPACE.test(text.charAt(at));
}
