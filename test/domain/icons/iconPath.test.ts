import { describe, expect, test } from 'vitest';
import { iconFolder, iconPath } from '../../../src/domain/icons/iconPath.ts';
import { assertObjectPath } from '../../../src/platforms/storage/objectPath.ts';

const KEY = '1a2b3c4d'.repeat(8);
const AT = Date.UTC(2026, 0, 5, 9, 30, 0);

test('an icon is stored as the contract says', () => {
  expect(iconPath('Garden Tools', KEY, AT)).toEqual({
    folder: 'garden_tools',
    path: 'garden_tools/garden_tools_20260105_093000_1a2b3c4d.png',
  });
});

describe('the folder', () => {
  test.each([
    ['Dụng cụ Đồng', 'dung_cu_dong'],
    ['Café & Bar', 'cafe__bar'],
    ['Größe', 'grosse'],
    ['a/b\\c:d', 'abcd'],
    ['../../etc/passwd', 'etcpasswd'],
    ['nul', 'nul_'],
    ['x\u0000y', 'xy'],
  ])('of %j is %s', (category, folder) => {
    expect(iconFolder(category)).toBe(folder);
  });

  test('of a name in another script is its own', () => {
    expect(iconFolder('工具')).toMatch(/^category_[0-9a-f]{8}$/);
    expect(iconFolder('工具')).not.toBe(iconFolder('玩具'));
  });

  test.each(['..', '.', '/', '%2e%2e', '\u0000', 'CON', 'a'.repeat(200), '🙂', '-', ' _ ', '＂．．＂'])(
    'of %j can be stored anywhere',
    (category) => {
      const { path, folder } = iconPath(category, KEY, AT);
      expect(() => assertObjectPath(path)).not.toThrow();
      expect(path.split('/')).toHaveLength(2);
      expect(path.startsWith(`${folder}/`)).toBe(true);
    },
  );
});
