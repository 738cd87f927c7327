/** A data command was refused; the message says why and what to do. */
export class DataCommandError extends Error {
  override name = 'DataCommandError';
}
