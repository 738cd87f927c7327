import type { Environment } from '../../../config/env.ts';
import type { ImageSettings } from '../../domain/icons/icon.ts';
import type { ImageProvider } from './imageProvider.ts';
import { LocalImages } from './local/localImages.ts';
import { OpenAiImages } from './openai.ts';
import { checkImageSettings, supportedModel } from './openaiModels.ts';

type ImageVariables = Pick<
  Environment,
  | 'OPENAI_API_KEY'
  | 'OPENAI_BASE_URL'
  | 'OPENAI_MODEL'
  | 'OPENAI_IMAGE_SIZE'
  | 'OPENAI_IMAGE_QUALITY'
  | 'OPENAI_TIMEOUT_SECONDS'
>;

/**
 * OpenAI's images API with a key, the drawings of `local/` without. A wrong model is told in both cases: it would
 * otherwise come to light with the key.
 *
 * @throws UnsupportedModelError
 * @throws UnsupportedImageSettingError
 */
export function openImageProvider(environment: ImageVariables): ImageProvider {
  const model = supportedModel(environment.OPENAI_MODEL);
  const { OPENAI_API_KEY: apiKey, OPENAI_IMAGE_SIZE: size, OPENAI_IMAGE_QUALITY: quality } = environment;
  if (apiKey === undefined) return new LocalImages(size);
  checkImageSettings(model, size, quality);
  return new OpenAiImages({
    apiKey,
    baseUrl: environment.OPENAI_BASE_URL,
    model,
    size,
    quality,
    timeoutMilliseconds: Math.ceil(environment.OPENAI_TIMEOUT_SECONDS * 1_000),
  });
}

/** What images are made with, for those who only name it. Throws like `openImageProvider`. */
export function imageSettings(environment: ImageVariables): ImageSettings {
  return openImageProvider(environment).settings;
}
