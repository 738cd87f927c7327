import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/**
 * One JSON line per event on standard output. Secrets are cut out wherever they may turn up in what is logged.
 *
 * @param process - the kind of process: `web`, `worker` or `scheduler`
 */
export function createLogger(process: string, level: string): Logger {
  return pino({
    level,
    base: { process },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '[redacted]' },
  });
}

const REDACTED = ['authorization', 'cookie', 'password', 'token', 'secret', 'api_key'].flatMap((key) => [
  key,
  `*.${key}`,
  `*.*.${key}`,
]);
