/** npm passes Ctrl-C on to a process that the terminal has told already: the copy is no second wish. */
const SAME_WISH_MS = 1_000;

/**
 * The returned signal aborts on Ctrl-C, SIGTERM and a closed terminal. A second Ctrl-C kills everything and ends the process.
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
  return stopping.signal;
}
