import { styleText } from 'node:util';

const LONGEST_VALUE = 300;
const LEVEL_WIDTH = 5;
/** Said elsewhere in the line, or the same in every line. */
const LEFT_OUT = new Set(['level', 'time', 'msg', 'process', 'pid', 'hostname', 'request_id']);

/** Asked every few moments, by the supervisor itself too. */
const PROBES = new Set(['/healthz', '/readyz']);

type Style = Parameters<typeof styleText>[0];

const LEVEL_STYLES: Readonly<Record<string, Style>> = { warn: 'yellow', error: 'red', fatal: 'red' };

/**
 * One log line for people: `info  request method=POST path=/api/tools/update status=200 [request id]`. Whatever is not a line of pino
 * passes as it is.
 *
 * @returns undefined for a line that tells people nothing
 */
export function readableLogLine(line: string): string | undefined {
  const entry = parseObject(line);
  if (!entry || typeof entry.level !== 'string') return line;
  if (entry.msg === 'request' && typeof entry.path === 'string' && PROBES.has(entry.path)) return undefined;
  const level = styleText(LEVEL_STYLES[entry.level] ?? 'green', entry.level.padEnd(LEVEL_WIDTH));
  const fields = Object.entries(entry)
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, value]) => styleText('dim', `${name}=${readableValue(value)}`));
  const request = typeof entry.request_id === 'string' ? [styleText('dim', `[${entry.request_id}]`)] : [];
  return [level, String(entry.msg ?? ''), ...fields, ...request].join(' ');
}

function readableValue(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, LONGEST_VALUE);
  if (typeof value === 'object' && value !== null && 'message' in value) return String(value.message);
  return (JSON.stringify(value) ?? '').slice(0, LONGEST_VALUE);
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
