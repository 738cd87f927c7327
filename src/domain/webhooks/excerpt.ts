const MOST_CHARACTERS = 256;
const REDACTED = '[redacted]';
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\ufffd]+/gu;

/** What must not be kept of a receiver's answer: its own secrets, and ours that it repeats. */
const SECRETS: readonly RegExp[] = [
  /whsec_[\w+/=-]*/g,
  /\bv1a?,[\w+/=-]+/g,
  /(?<=:\/\/)[^\s/@]+(?=@)/g,
  /(?<=\b(?:Bearer|Basic) )[\w.~+/=-]+/gi,
  /(?<=(?:pass(?:word|phrase)?|secret|token|authorization|cookie|credential|api[-_]?key|session)\w*["']?\s*[:=]\s*["']?)[^\s"'&,;}<]+/gi,
  // Keys and tokens are long and unbroken; words are not.
  /[\w+/=]{32,}/g,
];

/** The beginning of a receiver's answer, short and fit to be shown: one line, nothing that looks like a secret. */
export function excerptOf(text: string): string {
  const line = text.replace(CONTROL_CHARACTERS, ' ').trim();
  const covered = SECRETS.reduce((rest, secret) => rest.replace(secret, REDACTED), line);
  return covered.slice(0, MOST_CHARACTERS);
}
