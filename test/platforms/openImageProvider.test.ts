import { expect, test } from 'vitest';
import { type Environment, readEnvironment } from '../../config/env.ts';
import { OpenAiImages } from '../../src/platforms/images/openai.ts';
import {
  DEFAULT_MODEL,
  supportedModel,
  UnsupportedImageSettingError,
  UnsupportedModelError,
} from '../../src/platforms/images/openaiModels.ts';
import { imageSettings, openImageProvider } from '../../src/platforms/images/openImageProvider.ts';

/** The environment of a process with these variables of ours. */
function withVariables(variables: Readonly<Record<string, string>>): Environment {
  return readEnvironment({
    REDIS_URL: 'redis://127.0.0.1',
    MONGODB_URL: 'mongodb://127.0.0.1',
    ...variables,
  });
}

const secrets = { OPENAI_API_KEY: 'sk-test-4711-abcdefgh' };

test('with a key chooses the API with a current model', () => {
  const environment = withVariables({ ...secrets });
  expect(openImageProvider(environment)).toBeInstanceOf(OpenAiImages);
  expect(openImageProvider(environment).paid).toBe(true);
  expect(imageSettings(environment)).toEqual({
    model: DEFAULT_MODEL,
    size: '1024x1024',
    quality: 'medium',
    format: 'png',
  });
});

test('without a key chooses the drawings, which say so', () => {
  const images = openImageProvider(withVariables({}));
  expect(images.paid).toBe(false);
  expect(images.settings).toMatchObject({ model: expect.stringMatching(/^local-/), size: '1024x1024' });
});

test.each(['dall-e-2', 'dall-e-3', 'gpt-image-1'])('refuses the retired %s and names another', (model) => {
  for (const variables of [{ OPENAI_MODEL: model }, { ...secrets, OPENAI_MODEL: model }]) {
    const open = () => openImageProvider(withVariables(variables));
    expect(open).toThrow(UnsupportedModelError);
    expect(open).toThrow(`OPENAI_MODEL is ${model}, which OpenAI has shut down: set it to ${DEFAULT_MODEL}`);
  }
});

test.each(['gpt-image-9', 'toString', '__proto__'])('refuses the unknown model %s', (model) => {
  expect(() => supportedModel(model)).toThrow(UnsupportedModelError);
});

test.each([
  ['gpt-image-2', 'OPENAI_IMAGE_QUALITY', 'xhigh'],
  ['gpt-image-1.5', 'OPENAI_IMAGE_SIZE', '1536x864'],
  ['gpt-image-2.5-flare', 'OPENAI_IMAGE_SIZE', '1000x1000'],
  ['gpt-image-2.5-flare', 'OPENAI_IMAGE_SIZE', '256x256'],
  ['gpt-image-2.5-flare', 'OPENAI_IMAGE_SIZE', '3840x1024'],
  ['gpt-image-2.5-flare', 'OPENAI_IMAGE_SIZE', '3840x3840'],
])('refuses for %s: %s=%s', (model, variable, value) => {
  const environment = withVariables({ ...secrets, OPENAI_MODEL: model, [variable]: value });
  expect(() => openImageProvider(environment)).toThrow(UnsupportedImageSettingError);
  expect(() => openImageProvider(environment)).toThrow(`${variable} is ${value}, but ${model} takes `);
});

test.each([
  ['gpt-image-1.5', '1536x1024', 'high'],
  ['gpt-image-2', '3840x2160', 'auto'],
  ['gpt-image-2.5-sunburst', '1536x864', 'max'],
  ['gpt-image-2.6-flare', '1024x1536', 'xhigh'],
])('takes for %s the size %s in quality %s', (model, size, quality) => {
  const environment = withVariables({
    ...secrets,
    OPENAI_MODEL: model,
    OPENAI_IMAGE_SIZE: size,
    OPENAI_IMAGE_QUALITY: quality,
  });
  expect(imageSettings(environment)).toEqual({ model, size, quality, format: 'png' });
});
