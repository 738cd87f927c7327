import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { troubleByRates } from '../../sandbox/openai/behaviour.ts';
import { formatDuration, SlidingLimit } from '../../sandbox/openai/slidingLimit.ts';
import { type OpenAiServer, startOpenAiServer } from '../../sandbox/openaiServer.ts';
import { waitFor } from '../support/waitFor.ts';

const API_KEY = 'sk-sandbox-4711-abcd';
const valid = { model: 'gpt-image-2.5-flare', prompt: 'An icon.', size: '1024x1024', quality: 'low' };

let server: OpenAiServer;
beforeEach(async () => {
  server = await startOpenAiServer({ apiKey: API_KEY });
});
afterEach(() => server.close());

interface AnswerBody {
  readonly data: readonly { readonly b64_json: string }[];
  readonly usage: {
    readonly input_tokens: number;
    readonly output_tokens: number;
    readonly total_tokens: number;
  };
}

async function post(body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal) {
  const response = await fetch(`${server.url}/images/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${API_KEY}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal && { signal }),
  });
  const answer: AnswerBody = JSON.parse(await response.text());
  return { status: response.status, headers: response.headers, body: answer };
}

async function imageOf(body: object): Promise<Buffer> {
  const answer = await post({ ...valid, ...body });
  return Buffer.from(answer.body.data[0]?.b64_json ?? '', 'base64');
}

test('answers like the API, with an image of the asked size', async () => {
  const answer = await post({ ...valid, size: '1536x1024', n: 2 });
  expect(answer).toMatchObject({
    status: 200,
    body: {
      created: expect.any(Number),
      size: '1536x1024',
      quality: 'low',
      output_format: 'png',
      background: 'opaque',
      usage: { input_tokens: 8, input_tokens_details: { text_tokens: 8, image_tokens: 0 } },
    },
  });
  const { input_tokens, output_tokens, total_tokens } = answer.body.usage;
  expect(total_tokens).toBe(input_tokens + output_tokens);
  const images = answer.body.data.map((image) => Buffer.from(image.b64_json, 'base64'));
  expect(images).toHaveLength(2);
  expect(await sharp(images[0]).metadata()).toMatchObject({ format: 'png', width: 1_536, height: 1_024 });
  expect(images[0]?.length).toBeLessThan(100_000);
  expect(server.paid).toMatchObject([{ prompt: 'An icon.', images: 2, tokens: total_tokens }]);
});

test('draws the same for the same prompt, and another for another', async () => {
  const prompts = ['One', 'One', 'Two', 'Three'];
  const images = await Promise.all(prompts.map((prompt) => imageOf({ prompt })));
  const [first, again, ...others] = images.map((image) => createHash('sha256').update(image).digest('hex'));
  expect(again).toBe(first);
  expect(new Set([first, ...others]).size).toBe(3);
});

test('sends the asked format and a transparent background', async () => {
  const webp = await imageOf({ output_format: 'webp', background: 'transparent' });
  expect(await sharp(webp).metadata()).toMatchObject({ format: 'webp', hasAlpha: true });
  expect((await sharp(webp).stats()).isOpaque).toBe(false);
});

describe('refuses', () => {
  test.each([
    ['no JSON', '{', 400, null, null],
    ['an array', [], 400, 'invalid_type', null],
    ['no prompt', { ...valid, prompt: undefined }, 400, 'missing_required_parameter', 'prompt'],
    ['a prompt of another type', { ...valid, prompt: 7 }, 400, 'invalid_type', 'prompt'],
    ['an empty prompt', { ...valid, prompt: '' }, 400, 'empty_string', 'prompt'],
    ['a long prompt', { ...valid, prompt: 'x'.repeat(32_001) }, 400, 'string_above_max_length', 'prompt'],
    ['no model', { ...valid, model: null }, 400, 'missing_required_parameter', 'model'],
    ['an unknown model', { ...valid, model: 'gpt-image-9' }, 404, 'model_not_found', 'model'],
    ['a retired model', { ...valid, model: 'dall-e-3' }, 404, 'model_not_found', 'model'],
    ['n of 0', { ...valid, n: 0 }, 400, 'integer_below_min_value', 'n'],
    ['n of 11', { ...valid, n: 11 }, 400, 'integer_above_max_value', 'n'],
    ['n of 1.5', { ...valid, n: 1.5 }, 400, 'invalid_type', 'n'],
    ['a size of its own', { ...valid, size: '1000x1000' }, 400, 'invalid_value', 'size'],
    ['a small size', { ...valid, size: '256x256' }, 400, 'invalid_value', 'size'],
    ['a long strip', { ...valid, size: '3840x1024' }, 400, 'invalid_value', 'size'],
    [
      'a free size of an old model',
      { ...valid, model: 'gpt-image-1.5', size: '1536x864' },
      400,
      'invalid_value',
      'size',
    ],
    ['hd', { ...valid, quality: 'hd' }, 400, 'invalid_value', 'quality'],
    [
      'max of gpt-image-2',
      { ...valid, model: 'gpt-image-2', quality: 'max' },
      400,
      'invalid_value',
      'quality',
    ],
    ['bmp', { ...valid, output_format: 'bmp' }, 400, 'invalid_value', 'output_format'],
    ['a red background', { ...valid, background: 'red' }, 400, 'invalid_value', 'background'],
    [
      'a transparent JPEG',
      { ...valid, output_format: 'jpeg', background: 'transparent' },
      400,
      'invalid_value',
      'background',
    ],
    ['a compressed PNG', { ...valid, output_compression: 50 }, 400, 'invalid_value', 'output_compression'],
    [
      'response_format',
      { ...valid, response_format: 'b64_json' },
      400,
      'unknown_parameter',
      'response_format',
    ],
    ['style', { ...valid, style: 'vivid' }, 400, 'unknown_parameter', 'style'],
  ])('%s', async (_, body, status, code, param) => {
    const answer = await post(body);
    expect(answer).toMatchObject({
      status,
      body: { error: { message: expect.any(String), type: 'invalid_request_error', code, param } },
    });
    expect(server.paid).toEqual([]);
  });

  test('a missing and a wrong key', async () => {
    expect(await post(valid, { authorization: '' })).toMatchObject({
      status: 401,
      body: { error: { code: null } },
    });
    const wrong = await post(valid, { authorization: 'Bearer sk-somebody-else' });
    expect(wrong).toMatchObject({ status: 401, body: { error: { code: 'invalid_api_key' } } });
  });

  test('another address', async () => {
    const response = await fetch(`${server.url}/images/edits`, { method: 'POST' });
    expect(response.status).toBe(404);
  });
});

test('takes null for a parameter that is not given', async () => {
  const answer = await post({ ...valid, n: null, background: null, output_format: null });
  expect(answer.status).toBe(200);
});

describe('behaves as it is told', () => {
  test.each([
    [{ kind: 'rate-limit' }, 429, 'rate_limit_exceeded', null, null],
    [{ kind: 'rate-limit', retryAfter: { seconds: 3 } }, 429, 'rate_limit_exceeded', '3', null],
    [{ kind: 'rate-limit', retryAfter: { milliseconds: 250 } }, 429, 'rate_limit_exceeded', '1', '250'],
    [{ kind: 'no-quota' }, 429, 'insufficient_quota', null, null],
    [{ kind: 'moderate' }, 400, 'moderation_blocked', null, null],
    [{ kind: 'fail', status: 503 }, 503, null, null, null],
  ] as const)('%o', async (behaviour, status, code, retryAfter, retryAfterMilliseconds) => {
    server.behave(() => behaviour);
    const answer = await post(valid);
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    expect(answer.headers.get('retry-after')).toBe(retryAfter);
    expect(answer.headers.get('retry-after-ms')).toBe(retryAfterMilliseconds);
    expect(server.paid).toEqual([]);
    expect(server.received).toMatchObject([{ became: behaviour.kind }]);
  });

  test('a generation that began counts, though its client is gone', async () => {
    const gone = new AbortController();
    server.behave(() => ({ kind: 'make-and-hang' }));
    const call = post(valid, {}, gone.signal);
    await waitFor('the generation', async () => server.paid[0]);
    gone.abort();
    await expect(call).rejects.toThrow();
    expect(server.paidFor(valid.prompt)).toBe(1);
  });

  test('a dropped connection counts only when it was made before', async () => {
    server.behave((_, earlier) => ({ kind: earlier === 0 ? 'drop' : 'make-and-drop' }));
    await expect(post(valid)).rejects.toThrow();
    expect(server.paid).toHaveLength(0);
    await expect(post(valid)).rejects.toThrow();
    expect(server.paid).toHaveLength(1);
  });

  test('a bomb is small and huge', async () => {
    server.behave(() => ({ kind: 'make', image: 'bomb' }));
    const bomb = await imageOf({});
    expect(bomb.length).toBeLessThan(100_000);
    expect(await sharp(bomb, { limitInputPixels: false }).metadata()).toMatchObject({ width: 14_000 });
    await expect(sharp(bomb, { limitInputPixels: 50_000_000 }).toBuffer()).rejects.toThrow();
  });

  test.each(['garbage', 'truncated'] as const)('%s is no image', async (image) => {
    server.behave(() => ({ kind: 'make', image }));
    await expect(
      sharp(await imageOf({}))
        .raw()
        .toBuffer(),
    ).rejects.toThrow();
  });

  test('a JPEG comes though a PNG was asked', async () => {
    server.behave(() => ({ kind: 'make', image: 'jpeg' }));
    expect(await sharp(await imageOf({})).metadata()).toMatchObject({ format: 'jpeg' });
  });
});

describe('trouble by rates', () => {
  const generation = {
    ...valid,
    n: 1,
    width: 1_024,
    height: 1_024,
    quality: 'low',
    format: 'png',
    background: 'opaque',
  } as const;

  function kindsOf(seed: number, count: number): string[] {
    const script = troubleByRates(seed, { rateLimited: 0.1, failed: 0.05, hanging: 0.05 });
    return Array.from({ length: count }, (_, index) => script(generation, index)?.kind ?? 'make');
  }

  test('is the same for the same seed', () => {
    expect(kindsOf(7, 200)).toEqual(kindsOf(7, 200));
    expect(kindsOf(7, 200)).not.toEqual(kindsOf(8, 200));
  });

  test('comes about as often as asked', () => {
    const kinds = kindsOf(7, 20_000);
    const share = (kind: string) => kinds.filter((one) => one === kind).length / kinds.length;
    expect(share('rate-limit')).toBeCloseTo(0.1, 2);
    expect(share('fail')).toBeCloseTo(0.05, 2);
    expect(share('make-and-hang')).toBeCloseTo(0.05, 2);
    expect(share('make')).toBeCloseTo(0.8, 2);
  });
});

describe('limits', () => {
  test('are told, and enforced when asked', async () => {
    await server.close();
    server = await startOpenAiServer({
      apiKey: API_KEY,
      limits: { requests: 2, tokens: 100_000, enforced: true },
    });
    const first = await post(valid);
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2');
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    expect(first.headers.get('x-ratelimit-reset-requests')).toMatch(/^(1m0s|5\d(\.\d+)?s)$/);
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe(
      String(100_000 - first.body.usage.total_tokens),
    );
    expect((await post(valid)).status).toBe(200);
    const third = await post(valid);
    expect(third).toMatchObject({
      status: 429,
      body: { error: { code: 'rate_limit_exceeded', type: 'requests' } },
    });
    expect(Number(third.headers.get('retry-after-ms'))).toBeGreaterThan(0);
    expect(server.paid).toHaveLength(2);
    expect(server.received.map((request) => request.became)).toEqual(['make', 'make', 'over-limit']);
  });

  test('hold for every 60 seconds', () => {
    const limit = new SlidingLimit(100);
    limit.use(0, 60);
    limit.use(10_000, 30);
    expect(limit.remaining(59_999)).toBe(10);
    expect(limit.freeIn(20_000, 10)).toBe(0);
    expect(limit.freeIn(20_000, 11)).toBe(40_000);
    expect(limit.freeIn(20_000, 71)).toBe(50_000);
    expect(limit.resetIn(20_000)).toBe(50_000);
    expect(limit.remaining(60_000)).toBe(70);
    expect(limit.remaining(70_000)).toBe(100);
    expect(limit.resetIn(70_000)).toBe(0);
  });

  test.each([
    [0, '0ms'],
    [12, '12ms'],
    [1_500, '1.5s'],
    [360_000, '6m0s'],
    [3_720_000, '1h2m0s'],
  ])('write %i ms as %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});
