import type { ColorScheme } from './colorSchemes.ts';
import type { IconStyle } from './styles.ts';

/** What somebody wants to see, validated and normalised. */
export interface IconRequest {
  /** As sent, trimmed. */
  readonly category: string;
  readonly style: IconStyle;
  readonly color_scheme: ColorScheme;
  /** What the icon should show besides; trimmed, blanks dropped. */
  readonly elements: readonly string[];
  /** From 1 up. The style of the variation stands in `style` already. */
  readonly variation: number;
  readonly total_variations: number;
}

/** What the image is made with, the same in every process of an installation. */
export interface ImageSettings {
  readonly model: string;
  /** `<width>x<height>` in pixels. */
  readonly size: string;
  readonly quality: string;
  readonly format: 'png';
}

export const IMAGE_STATUSES = [
  'pending',
  'running',
  'delivering',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type ImageStatus = (typeof IMAGE_STATUSES)[number];

/**
 * The only ways from one status to another. `running` comes back to `pending` when a run is put off; `failed` when it is
 * retried. What is `delivering` may be charged already, so it can only succeed.
 */
export const IMAGE_TRANSITIONS: Readonly<Record<ImageStatus, readonly ImageStatus[]>> = {
  pending: ['running', 'delivering', 'succeeded', 'failed', 'cancelled'],
  running: ['pending', 'delivering', 'succeeded', 'failed', 'cancelled'],
  delivering: ['succeeded'],
  succeeded: [],
  failed: ['pending'],
  cancelled: [],
};

/** Statuses of images without a result. */
export const OPEN_STATUSES = ['pending', 'running', 'delivering'] as const satisfies readonly ImageStatus[];

export function isOpen({ status }: { readonly status: ImageStatus }): boolean {
  return OPEN_STATUSES.some((open) => open === status);
}

/** A stored icon file. It never changes once it is written. */
export interface IconFile {
  /** Below the root of the storage: `<folder>/<name>_<YYYYMMDD_HHMMSS>_<8 hex>.png`. */
  readonly path: string;
  /** The folder, such as `garden_tools`. */
  readonly folder: string;
  readonly size: number;
  /** Milliseconds since 1970 UTC. */
  readonly created_at: number;
}

/** One wanted image: of a batch, or alone. */
export interface IconImage extends IconRequest {
  /** `<batch id>-<index>`, or a UUID of its own. */
  readonly image_id: string;
  readonly batch_id: string | null;
  /** Its place in the batch, from 0, category by category and variation by variation. */
  readonly index: number;
  /** Whose it is: `callerId` of whoever asked. */
  readonly owner: string;
  /** Of the content; the same for the same icon. */
  readonly content_key: string;
  readonly prompt: string;
  readonly model: string;
  readonly status: ImageStatus;
  /** Calls of the provider that were begun for it; of one that failed by its calls, those for its content. */
  readonly attempts: number;
  /** Why it failed or was cancelled, for people. */
  readonly error: string | null;
  /** Of one that is delivered, or being so. */
  readonly file: IconFile | null;
  /** Whether it came out of the cache. */
  readonly cached: boolean;
  readonly generation_milliseconds: number | null;
  /** What its icon costs, in credits; 0 costs nothing. */
  readonly credits: number;
  readonly reservation_id: string | null;
  /** When it was asked for, or last asked for again; milliseconds. */
  readonly asked_at: number;
  readonly finished_at: number | null;
}
