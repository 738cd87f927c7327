import type { IconImage } from '../../../domain/icons/icon.ts';
import type { ExactNumber } from '../../../domain/money/jsonNumber.ts';
import { secondsNumber } from './contractValues.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { imageUrl } from './imageUrl.ts';

export type ResultDependencies = Pick<IconsRouteDependencies, 'environment' | 'storage'>;

/** What an image is, in the members that the contract's answers share. */
export interface ImageResult {
  readonly success: boolean;
  readonly image_url: string | null;
  readonly local_path: string | null;
  readonly error: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Seconds. */
  readonly generation_time: ExactNumber;
}

/** @param image - one that is final */
export function resultOf(image: IconImage, { environment, storage }: ResultDependencies): ImageResult {
  const { file, style, color_scheme, category, prompt, model, attempts } = image;
  const generation_time = generationTime(image);
  return {
    success: file !== null,
    image_url: file && imageUrl(environment, file.path),
    local_path: file && storage.locationOf(file.path),
    error: file ? null : (image.error ?? 'It failed for no stated reason'),
    metadata: {
      style,
      color_scheme,
      category,
      prompt,
      generation_time,
      // What comes out of the cache was made at another's attempt.
      ...(file ? { attempt: Math.max(attempts, 1) } : { attempts }),
      model,
    },
    generation_time,
  };
}

/** Of an image that failed, how long its request took. */
function generationTime({ file, generation_milliseconds, asked_at, finished_at }: IconImage): ExactNumber {
  if (file) return secondsNumber(generation_milliseconds ?? 0);
  return secondsNumber(Math.max(0, (finished_at ?? asked_at) - asked_at));
}
