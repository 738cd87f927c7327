import type { Request, Response } from 'express';

const RECHECK_MILLISECONDS = 15_000;

/**
 * Looks at the credential of an answer that goes on from time to time, and ends the answer when it does not suffice any
 * more. When a store is away the answer ends too, and the reader comes back.
 */
export function endUnlessAllowed({ context }: Request, response: Response, end: () => void): void {
  const recheck = setInterval(async () => {
    try {
      await context.checkAgain?.();
    } catch {
      end();
    }
  }, RECHECK_MILLISECONDS).unref();
  response.once('close', () => clearInterval(recheck));
}
