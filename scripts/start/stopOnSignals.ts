/** npm passes Ctrl-C on to a process that the terminal has told already: the copy is no second wish. */
const SAME_WISH_MS = 1_000;
const PARENT_CHECK_MS = 1_000;

/**
 * The returned signal aborts on Ctrl-C, SIGTERM, a closed terminal, and when the npm that runs the script is gone. A second Ctrl-C kills everything
 * and ends the process.
 */
export function stopOnSignals(killEverything: () => void): AbortSignal {
  const stopping = new AbortController();
  let firstAt: number | undefined;
  const onSignal = () => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      stopping.abort();
    } else if (now - firstAt > SAME_WISH_MS) {
      killEverything();
      process.exit(130);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onSignal);
  if (process.env.npm_lifecycle_event) onceParentIsGone(() => stopping.abort());
  return stopping.signal;
}

/** A killed npm tells nobody. */
function onceParentIsGone(tell: () => void): void {
  const parent = process.ppid;
  const check = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(check);
    tell();
  }, PARENT_CHECK_MS);
  check.unref();
}
