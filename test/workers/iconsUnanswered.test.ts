import { afterAll, beforeAll, expect, test } from 'vitest';
import { categoryTitle } from '../../src/domain/icons/categories.ts';
import { type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

let icons: IconsUnderTest;

beforeAll(async () => {
  icons = await openIcons({ OPENAI_TIMEOUT_SECONDS: '3' });
  icons.start();
});
afterAll(() => icons?.remove());

test('an icon whose call is never answered is paid twice at most', async () => {
  let toOnce = 0;
  icons.openai.behave(({ prompt }) => {
    if (prompt.includes(categoryTitle('silent once')) && toOnce++ > 0) return undefined;
    return { kind: 'make-and-hang' };
  });
  const [once, ever] = await Promise.all(['silent once', 'silent ever'].map(icons.ask));
  expect(await icons.ended(String(once))).toMatchObject({ status: 'succeeded', attempts: 2 });
  expect(await icons.ended(String(ever))).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(
      /^Failed after 2 attempts: .*second call for this icon that may have been paid/,
    ),
  });
  expect([icons.paid('silent once'), icons.paid('silent ever')]).toEqual([2, 2]);
});
