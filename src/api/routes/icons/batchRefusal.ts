import { HttpError } from '../../errors.ts';

/** Answered with 400; `errors` are texts, as the contract has them. */
export class BatchRefusedError extends HttpError {
  override name = 'BatchRefusedError';
  readonly status = 400;
  readonly #errors: readonly string[] | undefined;

  constructor(message: string, errors?: readonly string[]) {
    super(message);
    this.#errors = errors;
  }

  override get members(): Readonly<Record<string, unknown>> {
    return this.#errors ? { errors: this.#errors } : {};
  }
}
