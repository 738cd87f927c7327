/**
 * How long a client waits at most for what it starts to be queued. Longer than for what is read: hundreds of images are
 * written, and credits may be charged on another server. A store that is away is told at once.
 */
export const START_MILLISECONDS = 8_000;
