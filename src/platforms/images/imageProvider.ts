import type { ColorScheme } from '../../domain/icons/colorSchemes.ts';
import type { ImageSettings } from '../../domain/icons/icon.ts';
import type { IconStyle } from '../../domain/icons/styles.ts';

/**
 * Where images come from. A provider makes one call and says how it ended; it never tries again by itself: the queue owns
 * all retries, because only it knows what may be paid twice.
 */
export interface ImageProvider {
  readonly settings: ImageSettings;
  /** Whether a call costs money and counts against limits. A free one needs no reservation and leaves no intent. */
  readonly paid: boolean;
  /** An upper bound of the tokens of one call with that prompt. */
  tokensAtMost(prompt: string): number;
  /**
   * Makes one image.
   *
   * @param signal - aborts the call; its outcome is then `unknown`
   */
  generate(request: ImageRequest, signal: AbortSignal): Promise<ImageOutcome>;
}

export interface ImageRequest {
  readonly prompt: string;
  /** What a drawing needs to know; a model reads the prompt. */
  readonly subject: {
    readonly category: string;
    readonly style: IconStyle;
    readonly color_scheme: ColorScheme;
    readonly elements: readonly string[];
    readonly variation: number;
  };
}

/** How a call ended. Only `image` and perhaps `unknown` were paid. */
export type ImageOutcome =
  | {
      readonly kind: 'image';
      /** As received: not verified yet. */
      readonly bytes: Buffer;
      /** Tokens that were charged, as the answer says. */
      readonly tokens: number | null;
      readonly limits: LimitHints;
    }
  /** 429: nothing was made. The lane rests; `null` when the answer names no time. */
  | {
      readonly kind: 'rate-limited';
      readonly retryAfterMilliseconds: number | null;
      readonly limits: LimitHints;
      readonly message: string;
    }
  /** `insufficient_quota`: nobody gets an image until an operator has seen to it. */
  | { readonly kind: 'quota-exhausted'; readonly message: string }
  /** For good: `moderation_blocked`, and requests that are refused as they are. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** Nothing was made, and another try may go well. */
  | { readonly kind: 'failed'; readonly message: string }
  /** Time-out, lost connection or an answer without an image: perhaps it was made and paid. */
  | {
      readonly kind: 'unknown';
      readonly message: string;
      /** Tokens that were charged, where an answer came and says so. */
      readonly tokens: number | null;
    };

/** What the answer's `x-ratelimit-*` headers say; nothing for what they do not. */
export interface LimitHints {
  readonly requests?: LimitHint;
  readonly tokens?: LimitHint;
}

export interface LimitHint {
  readonly limit: number;
  readonly remaining: number;
  /** Until the limit is whole again, not a time to wait. */
  readonly resetMilliseconds: number;
}

export const NO_HINTS: LimitHints = {};
