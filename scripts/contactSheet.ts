/** `npm run contact-sheet`: draws docs/icons-contact-sheet.png, a row for each standard category and a column for each style. */
import { mkdir, writeFile } from 'node:fs/promises';
import { STANDARD_CATEGORIES } from '../src/domain/icons/categories.ts';
import { DEFAULT_COLOR_SCHEME } from '../src/domain/icons/colorSchemes.ts';
import { STYLES } from '../src/domain/icons/styles.ts';
import { LocalImages } from '../src/platforms/images/local/localImages.ts';
import { sharp } from '../src/platforms/images/sharp.ts';

const FOLDER = new URL('../docs/', import.meta.url);
const FILE = new URL('icons-contact-sheet.png', FOLDER);
const ICON_PIXELS = 148;
const GAP_PIXELS = 12;
const STEP = ICON_PIXELS + GAP_PIXELS;
const COLORS = 256;

const provider = new LocalImages(`${ICON_PIXELS}x${ICON_PIXELS}`);

const icons = await Promise.all(
  STANDARD_CATEGORIES.flatMap((category, row) =>
    STYLES.map(async (style, column) => ({
      input: await draw(category, style),
      left: GAP_PIXELS + column * STEP,
      top: GAP_PIXELS + row * STEP,
    })),
  ),
);
const sheet = await sharp({
  create: {
    width: GAP_PIXELS + STYLES.length * STEP,
    height: GAP_PIXELS + STANDARD_CATEGORIES.length * STEP,
    channels: 3,
    background: '#e4e7eb',
  },
})
  .composite(icons)
  .png({ palette: true, colors: COLORS, compressionLevel: 9, effort: 10 })
  .toBuffer();
await mkdir(FOLDER, { recursive: true });
await writeFile(FILE, sheet);
process.stdout.write(`docs/icons-contact-sheet.png: ${icons.length} icons, ${sheet.length} bytes\n`);

async function draw(category: string, style: (typeof STYLES)[number]): Promise<Buffer> {
  const subject = { category, style, color_scheme: DEFAULT_COLOR_SCHEME, elements: [], variation: 1 };
  const outcome = await provider.generate({ prompt: '', subject });
  if (outcome.kind !== 'image') throw new Error(`${category} in ${style} was not drawn: ${outcome.kind}`);
  return outcome.bytes;
}
