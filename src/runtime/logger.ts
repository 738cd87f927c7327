import { type Logger, pino } from 'pino';

const BUFFER_BYTES = 4_096;
const FLUSH_MILLISECONDS = 100;

/**
 * Where the lines go. They are gathered for a moment, so that a busy process makes one write of many lines, and written
 * out before the process ends.
 */
export const standardOutput = pino.destination({
  dest: 1,
  sync: true,
  minLength: BUFFER_BYTES,
  periodicFlush: FLUSH_MILLISECONDS,
});
process.on('exit', () => standardOutput.flushSync());

/**
 * One JSON line per event on standard output. Secrets are cut out wherever they may turn up in what is logged.
 *
 * @param kind - the kind of process: `web`, `worker` or `scheduler`
 */
export function createLogger(kind: string, level: string): Logger {
  return pino(
    {
      level,
      base: { process: kind },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '[redacted]' },
      serializers: { err: describeError },
    },
    standardOutput,
  );
}

/** ioredis hangs the failed command on its error, with all arguments: a password, or a whole job. */
export function describeError(error: Error): object {
  const described = pino.stdSerializers.err(error);
  if (isCommand(described['command'])) described['command'] = { name: described['command'].name };
  return described;
}

function isCommand(value: unknown): value is { readonly name: unknown } {
  return typeof value === 'object' && value !== null && 'name' in value;
}

const REDACTED = ['authorization', 'cookie', 'password', 'token', 'secret', 'api_key'].flatMap((key) => [
  key,
  `*.${key}`,
  `*.*.${key}`,
]);
