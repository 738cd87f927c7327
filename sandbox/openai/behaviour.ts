import type { ImageKind } from './drawImage.ts';
import type { RetryAfter } from './faults.ts';
import type { Generation } from './readGeneration.ts';

/** What the server does with a valid request. What is made counts as paid from its beginning, whatever comes after. */
export type OpenAiBehaviour =
  | {
      readonly kind: 'make';
      /** How long it takes. @defaultValue the server's latency */
      readonly milliseconds?: number;
      /** What the answer waits for besides. @defaultValue nothing */
      readonly until?: Promise<unknown>;
      /** @defaultValue 'good' */
      readonly image?: ImageKind;
    }
  /** Made and paid; the answer never comes. */
  | { readonly kind: 'make-and-hang' }
  /** Made and paid; the connection drops before the answer. */
  | { readonly kind: 'make-and-drop' }
  /** Made and paid; the answer breaks off in its middle. */
  | { readonly kind: 'make-and-break-off' }
  /** Made and paid; answers 200 with this instead of the contract's body. */
  | { readonly kind: 'make-and-answer'; readonly body: string }
  /** 429. */
  | {
      readonly kind: 'rate-limit';
      readonly retryAfter?: RetryAfter;
      /** What the answer waits for. @defaultValue nothing */
      readonly until?: Promise<unknown>;
    }
  /** 429 `insufficient_quota`. */
  | {
      readonly kind: 'no-quota';
      /** What the answer waits for. @defaultValue nothing */
      readonly until?: Promise<unknown>;
    }
  /** 400 `moderation_blocked`. */
  | { readonly kind: 'moderate' }
  /** An error of that status, such as 500 or 503. */
  | { readonly kind: 'fail'; readonly status: number }
  /** Any answer, without making anything. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Drops the connection before anything is made. */
  | { readonly kind: 'drop' };

/** @returns the behaviour for a valid request; nothing for the ordinary one */
export type OpenAiScript = (generation: Generation, earlierRequests: number) => OpenAiBehaviour | undefined;

/** Shares of all requests, each from 0 to 1, together at most 1. What is left is made as usual. */
export interface TroubleRates {
  readonly rateLimited?: number;
  readonly failed?: number;
  readonly hanging?: number;
  readonly dropped?: number;
  readonly moderated?: number;
}

/** Behaviours at random, the same ones in the same order for the same seed. Every second 429 names a time. */
export function troubleByRates(seed: number, rates: TroubleRates): OpenAiScript {
  const random = randomNumbers(seed);
  let limited = 0;
  const choices: readonly [number, () => OpenAiBehaviour][] = [
    [
      rates.rateLimited ?? 0,
      () => ({ kind: 'rate-limit', retryAfter: limited++ % 2 === 0 ? { milliseconds: 200 } : 'unsaid' }),
    ],
    [rates.failed ?? 0, () => ({ kind: 'fail', status: 500 })],
    [rates.hanging ?? 0, () => ({ kind: 'make-and-hang' })],
    [rates.dropped ?? 0, () => ({ kind: 'make-and-drop' })],
    [rates.moderated ?? 0, () => ({ kind: 'moderate' })],
  ];
  return () => {
    let left = random();
    for (const [share, behaviour] of choices) {
      if (left < share) return behaviour();
      left -= share;
    }
    return undefined;
  };
}

/** Mulberry32 of Tommy Ettinger: from 0 up to 1. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
