import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createTcpServer, type Server } from 'node:net';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { OpenAiBehaviour } from '../../sandbox/openai/behaviour.ts';
import { type OpenAiServer, startOpenAiServer } from '../../sandbox/openaiServer.ts';
import type { ImageRequest } from '../../src/platforms/images/imageProvider.ts';
import { OpenAiImages, type OpenAiImagesOptions } from '../../src/platforms/images/openai.ts';
import { readDuration } from '../../src/platforms/images/openaiLimits.ts';
import { DEFAULT_MODEL, outputTokensAtMost } from '../../src/platforms/images/openaiModels.ts';
import { selfSigned } from '../support/selfSigned.ts';

const API_KEY = 'sk-test-4711-abcdefgh';
const never = new AbortController().signal;
const request: ImageRequest = {
  prompt: 'A modern icon of garden tools.',
  subject: {
    category: 'garden tools',
    style: 'modern',
    color_scheme: 'brand_colors',
    elements: [],
    variation: 1,
  },
};

let server: OpenAiServer;
beforeEach(async () => {
  server = await startOpenAiServer({ apiKey: API_KEY });
});
afterEach(() => server.close());

function provider(options: Partial<OpenAiImagesOptions> = {}): OpenAiImages {
  return new OpenAiImages({
    apiKey: API_KEY,
    baseUrl: server.url,
    model: DEFAULT_MODEL,
    size: '1024x1024',
    quality: 'medium',
    timeoutMilliseconds: 10_000,
    ...options,
  });
}

/** One call that the server answers like that. */
function outcomeOf(behaviour: OpenAiBehaviour, options: Partial<OpenAiImagesOptions> = {}) {
  server.behave(() => behaviour);
  return provider(options).generate(request, never);
}

function answering(status: number, error: object, headers: Record<string, string> = {}) {
  return outcomeOf({ kind: 'answer', status, body: JSON.stringify({ error }), headers });
}

/** Until the end of the test. */
async function portOf(listener: Server): Promise<number> {
  listener.listen(0, '127.0.0.1');
  onTestFinished(() => {
    listener.close();
  });
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return address.port;
}

describe('an image', () => {
  test('comes with its tokens and what is left of the limits', async () => {
    const outcome = await provider().generate(request, never);
    if (outcome.kind !== 'image') throw new Error(`It ended as ${outcome.kind}`);
    expect(await sharp(outcome.bytes).metadata()).toMatchObject({
      format: 'png',
      width: 1_024,
      height: 1_024,
    });
    expect(outcome.tokens).toBe(server.paid[0]?.tokens);
    expect(outcome.limits).toMatchObject({
      requests: { limit: 10_000, remaining: 9_999 },
      tokens: { limit: 10_000_000, remaining: 10_000_000 - (server.paid[0]?.tokens ?? 0) },
    });
  });

  test('is asked for with the settings', async () => {
    await provider({ model: 'gpt-image-2', size: '1536x864', quality: 'low' }).generate(request, never);
    expect(JSON.parse(server.received[0]?.body ?? '')).toEqual({
      model: 'gpt-image-2',
      prompt: request.prompt,
      n: 1,
      size: '1536x864',
      quality: 'low',
      output_format: 'png',
    });
  });

  test('is handed on unverified when it is none', async () => {
    expect(await outcomeOf({ kind: 'make', image: 'svg' })).toMatchObject({
      kind: 'image',
      bytes: expect.toSatisfy((bytes: Buffer) => bytes.toString().startsWith('<svg')),
    });
  });

  test('of an answer without usage and limits has neither', async () => {
    const body = JSON.stringify({
      created: 1,
      data: [{ b64_json: 'AAAA' }],
      usage: { total_tokens: 'many' },
    });
    expect(await outcomeOf({ kind: 'answer', status: 200, body })).toEqual({
      kind: 'image',
      bytes: Buffer.from([0, 0, 0]),
      tokens: null,
      limits: {},
    });
  });

  test('uses only what it was given, whatever the package would find in the environment', async () => {
    vi.stubEnv('OPENAI_BASE_URL', 'http://127.0.0.1:9/v1');
    vi.stubEnv('OPENAI_API_KEY', 'sk-of-somebody-else');
    vi.stubEnv('OPENAI_ORG_ID', 'org-of-somebody-else');
    vi.stubEnv('OPENAI_PROJECT_ID', 'project-of-somebody-else');
    vi.stubEnv('OPENAI_CUSTOM_HEADERS', 'Authorization: Bearer sk-of-somebody-else');
    try {
      expect((await provider().generate(request, never)).kind).toBe('image');
    } finally {
      vi.unstubAllEnvs();
    }
    expect(server.received[0]?.headers.authorization).toBe(`Bearer ${API_KEY}`);
    expect(JSON.stringify(server.received[0]?.headers)).not.toContain('somebody-else');
  });
});

describe('a refusal', () => {
  test.each([
    ['unsaid', null],
    [{ seconds: 7 }, 7_000],
    [{ milliseconds: 2_500 }, 2_500],
  ] as const)('429 with the wait %o is a rate limit', async (retryAfter, expected) => {
    expect(await outcomeOf({ kind: 'rate-limit', retryAfter })).toMatchObject({
      kind: 'rate-limited',
      retryAfterMilliseconds: expected,
      limits: { requests: { limit: 10_000 }, tokens: { limit: 10_000_000 } },
    });
    expect(server.received).toHaveLength(1);
  });

  test.each([
    { 'retry-after': '0' },
    { 'retry-after': '0.2' },
    { 'retry-after-ms': '250' },
    { 'retry-after': new Date(Date.now() - 60_000).toUTCString() },
  ])('429 with %o waits a second', async (headers) => {
    expect(await answering(429, { code: 'rate_limit_exceeded' }, headers)).toMatchObject({
      retryAfterMilliseconds: 1_000,
    });
  });

  test.each(['-5', '+3', '5, 5', 'soon'])('429 with the wait %o names no time', async (wait) => {
    expect(await answering(429, { code: 'rate_limit_exceeded' }, { 'retry-after': wait })).toMatchObject({
      retryAfterMilliseconds: null,
    });
  });

  test('429 with an endless wait waits no longer than an hour', async () => {
    const headers = { 'retry-after-ms': '99999999999' };
    expect(await answering(429, { code: 'rate_limit_exceeded' }, headers)).toMatchObject({
      retryAfterMilliseconds: 3_600_000,
    });
  });

  test.each([
    [429, { code: 'insufficient_quota' }],
    [429, { code: null, type: 'insufficient_quota' }],
    [400, { code: 'billing_hard_limit_reached' }],
    [401, { code: 'invalid_api_key' }],
    [403, { code: 'unsupported_country_region_territory' }],
    [404, { code: 'model_not_found' }],
    [302, {}],
  ])('%i %o is for an operator', async (status, error) => {
    expect(await answering(status, error)).toMatchObject({ kind: 'quota-exhausted' });
    expect(server.received).toHaveLength(1);
  });

  test('moderation is for good', async () => {
    expect(await outcomeOf({ kind: 'moderate' })).toEqual({
      kind: 'refused',
      code: 'moderation_blocked',
      message: '400 moderation_blocked: Your request was rejected by the safety system.',
    });
  });

  test.each([
    [400, { code: 'invalid_value', message: 'No.' }, 'invalid_value'],
    [422, { code: 17 }, '422'],
    [413, 'no object', '413'],
  ])('%i with the error %o is for good', async (status, error, code) => {
    const body = JSON.stringify({ error });
    expect(await outcomeOf({ kind: 'answer', status, body })).toMatchObject({ kind: 'refused', code });
  });

  test.each([408, 409, 500, 502, 503])('%i may go well next time', async (status) => {
    expect(await outcomeOf({ kind: 'fail', status })).toMatchObject({ kind: 'failed' });
    expect(server.received).toHaveLength(1);
  });

  test.each([504, 524])('%i leaves open what became of it behind the gateway', async (status) => {
    expect(await outcomeOf({ kind: 'fail', status })).toMatchObject({ kind: 'unknown' });
  });

  test('names neither the key nor more than a few words of a page', async () => {
    const wrong = await provider({ apiKey: 'sk-wrong-0815-zyxwvuts' }).generate(request, never);
    expect(wrong).toEqual({ kind: 'quota-exhausted', message: '401 invalid_api_key' });
    const echo = await answering(500, { message: `The key ${API_KEY} ${'is wrong '.repeat(200)}` });
    expect(JSON.stringify(echo)).not.toContain(API_KEY);
    expect(JSON.stringify(echo).length).toBeLessThan(500);
    const page = await outcomeOf({ kind: 'answer', status: 502, body: `<html>${API_KEY}</html>` });
    expect(page).toEqual({ kind: 'failed', message: '502' });
  });
});

describe('an unknown outcome', () => {
  test.each<[string, OpenAiBehaviour]>([
    ['dropped before the answer', { kind: 'make-and-drop' }],
    ['broken off in the answer', { kind: 'make-and-break-off' }],
    ['cut JSON', { kind: 'make-and-answer', body: '{"data":[{' }],
    ['null', { kind: 'make-and-answer', body: 'null' }],
    ['no image', { kind: 'make-and-answer', body: '{"created":1,"data":[]}' }],
    ['loose base64', { kind: 'make-and-answer', body: '{"data":[{"b64_json":"AAA A!"}]}' }],
    ['a URL', { kind: 'make-and-answer', body: '{"data":[{"url":"http://127.0.0.1/"}]}' }],
    [
      'an endless answer',
      { kind: 'make-and-answer', body: `{"data":[{"b64_json":"${'A'.repeat(9_000_000)}"}]}` },
    ],
  ])('%s, though it was paid', async (_, behaviour) => {
    expect(await outcomeOf(behaviour)).toMatchObject({ kind: 'unknown' });
    expect(server.paidFor(request.prompt)).toBe(1);
    expect(server.received).toHaveLength(1);
  });

  test('an answer without an image tells the tokens that it cost', async () => {
    const body = '{"created":1,"data":[],"usage":{"total_tokens":1234}}';
    expect(await outcomeOf({ kind: 'make-and-answer', body })).toMatchObject({
      kind: 'unknown',
      tokens: 1_234,
    });
    expect(await outcomeOf({ kind: 'make-and-drop' })).toMatchObject({ kind: 'unknown', tokens: null });
  });

  test('no answer in time', async () => {
    expect(await outcomeOf({ kind: 'make-and-hang' }, { timeoutMilliseconds: 2_000 })).toEqual({
      kind: 'unknown',
      message: 'No answer within 2 s',
      tokens: null,
    });
    expect(server.paid).toHaveLength(1);
    expect(server.received).toHaveLength(1);
  });

  test('an answer that never ends in time', async () => {
    const slow = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"created":1,');
    });
    onTestFinished(() => slow.closeAllConnections());
    const baseUrl = `http://127.0.0.1:${await portOf(slow)}/v1`;
    const outcome = await provider({ baseUrl, timeoutMilliseconds: 300 }).generate(request, never);
    expect(outcome).toEqual({ kind: 'unknown', message: 'No answer within 0.3 s', tokens: null });
  });

  test('stopped while it runs', async () => {
    const stop = new AbortController();
    server.behave(() => {
      setImmediate(() => stop.abort());
      return { kind: 'make-and-hang' };
    });
    expect(await provider().generate(request, stop.signal)).toEqual({
      kind: 'unknown',
      message: 'The call was stopped',
      tokens: null,
    });
    expect(server.paid).toHaveLength(1);
  });
});

describe('nothing was sent', () => {
  test('to an address where nobody listens', async () => {
    const gone = await startOpenAiServer({ apiKey: API_KEY });
    await gone.close();
    expect(await provider({ baseUrl: gone.url }).generate(request, never)).toEqual({
      kind: 'failed',
      message: 'The image API cannot be reached',
    });
  });

  test('to a name that does not exist', async () => {
    const baseUrl = 'http://images.invalid/v1';
    expect(await provider({ baseUrl }).generate(request, never)).toMatchObject({ kind: 'failed' });
  });

  test('to a server whose certificate is not trusted, which is for an operator', async () => {
    let requests = 0;
    const secure = createSecureServer(selfSigned(), () => {
      requests += 1;
    });
    const baseUrl = `https://127.0.0.1:${await portOf(secure)}/v1`;
    expect(await provider({ baseUrl }).generate(request, never)).toEqual({
      kind: 'quota-exhausted',
      message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
    });
    expect(requests).toBe(0);
  });

  test('to a server without encryption, asked for it', async () => {
    const baseUrl = server.url.replace('http:', 'https:');
    expect(await provider({ baseUrl }).generate(request, never)).toEqual({
      kind: 'failed',
      message: 'The image API cannot be reached',
    });
    expect(server.received).toHaveLength(0);
  });

  test('to a server that hangs up before the connection is encrypted', async () => {
    const hangsUp = createTcpServer((socket) => socket.once('data', () => socket.destroy()));
    const baseUrl = `https://127.0.0.1:${await portOf(hangsUp)}/v1`;
    expect(await provider({ baseUrl }).generate(request, never)).toMatchObject({ kind: 'failed' });
  });

  test('when it was stopped before it began', async () => {
    expect(await provider().generate(request, AbortSignal.abort())).toMatchObject({ kind: 'failed' });
    expect(server.received).toHaveLength(0);
  });
});

test.each([
  ['12ms', 12],
  ['1s', 1_000],
  ['6m0s', 360_000],
  ['1h2m', 3_720_000],
  ['1m30.951s', 90_951],
  ['0.5ms', 1],
  ['0s', 0],
  ['', undefined],
  ['12', undefined],
  ['s', undefined],
  ['1s later', undefined],
  ['-1s', undefined],
])('the duration %o is %o ms', (text, milliseconds) => {
  expect(readDuration(text)).toBe(milliseconds);
});

describe('tokens at most', () => {
  test.each([
    ['gpt-image-2.5-flare', '1024x1024', 'low', 196],
    ['gpt-image-2.5-flare', '1024x1024', 'medium', 439],
    ['gpt-image-2.5-flare', '1024x1024', 'high', 1_756],
    ['gpt-image-2.5-flare', '1024x1024', 'xhigh', 3_122],
    ['gpt-image-2.5-flare', '1024x1024', 'max', 7_024],
    ['gpt-image-2', '1024x1024', 'high', 7_024],
    ['gpt-image-2', '1536x1024', 'high', 5_488],
    ['gpt-image-2', '1024x1024', 'auto', 7_024],
    ['gpt-image-1.5', '1024x1024', 'medium', 1_056],
    ['gpt-image-1.5', '1536x1024', 'high', 6_240],
  ] as const)('%s draws %s in %s with %i', (model, size, quality, tokens) => {
    expect(outputTokensAtMost(model, size, quality)).toBe(tokens);
  });

  test.each([
    'gpt-image-1-mini',
    'gpt-image-1.5',
    'gpt-image-2',
    'gpt-image-2.5-flare',
    'gpt-image-2.6-sunburst',
  ] as const)('cover what %s charges', async (model) => {
    const images = provider({ model });
    for (const prompt of ['x', 'An icon. '.repeat(60), 'Ein Gartengerät 🌱 '.repeat(40)]) {
      const outcome = await images.generate({ ...request, prompt }, never);
      expect(outcome).toMatchObject({ kind: 'image' });
      const charged = outcome.kind === 'image' ? outcome.tokens : null;
      expect(images.tokensAtMost(prompt)).toBeGreaterThanOrEqual(charged ?? Number.POSITIVE_INFINITY);
      expect(images.tokensAtMost(prompt)).toBeGreaterThanOrEqual(2 * prompt.length);
    }
  });

  test('let the default limits of 40,000 tokens and 50 images go together', () => {
    expect(provider().tokensAtMost('x'.repeat(340))).toBeLessThanOrEqual(40_000 / 50);
  });
});
