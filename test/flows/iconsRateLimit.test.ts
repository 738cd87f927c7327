import { expect, onTestFinished, test } from 'vitest';
import { IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem } from '../support/iconsSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/**
 * The limits in real time, with real workers: `RATE_LIMIT_MINUTES=3 npm test -- test/flows/iconsRateLimit.test.ts`. It takes as
 * long as it says, so it runs on request only; rateLane.test.ts shows the same on a clock of its own.
 */
const MINUTES = Number(process.env['RATE_LIMIT_MINUTES'] ?? 0);
const MINUTE = 60_000;
const LIMITS = { requests: 50, tokens: 40_000 };

test.skipIf(MINUTES === 0).each([
  ['requests', 'low'],
  ['tokens', 'high'],
])(
  'four workers that are short of %s never ask for more than a minute allows, and for nearly all of it',
  {
    timeout: (MINUTES + 2) * MINUTE,
  },
  async (tighter, quality) => {
    const icons = await createIconsSystem('icons-rate');
    onTestFinished(() => icons.remove());
    const variables = {
      OPENAI_RATE_LIMIT_RPM: String(LIMITS.requests),
      OPENAI_RATE_LIMIT_TPM: String(LIMITS.tokens),
      OPENAI_RATE_LIMIT_IPM: String(LIMITS.requests),
      OPENAI_IMAGE_QUALITY: quality,
    };
    icons.openai.behave(() => ({ kind: 'make', milliseconds: 2_000 + 6_000 * Math.random() }));
    const [web] = await Promise.all([
      icons.startWeb(variables),
      ...Array.from({ length: 4 }, () => icons.startWorker(variables)),
    ]);
    const { token } = await icons.newAccount();
    const api = new IconsApi(web.url, token);
    for (let batch = 0; batch < 4; batch += 1) {
      const categories = Array.from({ length: 50 }, (_, index) => `rated ${batch} ${index}`);
      await api.start({ categories, variations_per_category: 4 });
    }
    const { paid } = icons.openai;
    const begin = await waitFor('the first call', async () => paid[0]?.at);
    const end = begin + MINUTES * MINUTE;
    await waitFor(
      'the end of the time',
      async () => performance.now() > end || undefined,
      (MINUTES + 1) * MINUTE,
    );

    const counted = paid.filter(({ at }) => at < end);
    const usedIn = (from: number, to: number) => {
      const inside = counted.filter(({ at }) => at > from && at <= to);
      return { requests: inside.length, tokens: inside.reduce((sum, call) => sum + call.tokens, 0) };
    };
    const minutes = counted.map(({ at }) => usedIn(at - MINUTE, at));
    const busiest = {
      requests: Math.max(...minutes.map(({ requests }) => requests)),
      tokens: Math.max(...minutes.map(({ tokens }) => tokens)),
    };
    const all = usedIn(begin - 1, end);
    const use = {
      requests: all.requests / (MINUTES * LIMITS.requests),
      tokens: all.tokens / (MINUTES * LIMITS.tokens),
    };
    console.info(`short of ${tighter}:`, JSON.stringify({ all, busiest, use }));
    expect(busiest.requests).toBeLessThanOrEqual(LIMITS.requests);
    expect(busiest.tokens).toBeLessThanOrEqual(LIMITS.tokens);
    expect(Math.max(use.requests, use.tokens)).toBeGreaterThanOrEqual(0.9);
  },
);
