/** The command could not be carried out; the message says why and what to do. */
export class CommandFailure extends Error {
  override name = 'CommandFailure';
}
