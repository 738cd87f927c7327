/** An answer was longer than anything that was asked for. */
export class AnswerTooLongError extends Error {
  constructor(limit: number) {
    super(`The answer is longer than ${limit} bytes`);
    this.name = 'AnswerTooLongError';
  }
}

/**
 * A `fetch` for clients that read whole answers into memory: reading beyond the limit fails with `AnswerTooLongError`.
 * Redirects come back as they are: a redirected post may be repeated, or carry its key to a server that nobody configured.
 */
export function boundedFetch(limit: number): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, { ...init, redirect: 'manual' });
    if (response.body === null) return response;
    let size = 0;
    const bounded = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          size += chunk.length;
          if (size > limit) controller.error(new AnswerTooLongError(limit));
          else controller.enqueue(chunk);
        },
      }),
    );
    return new Response(bounded, {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers,
    });
  };
}
