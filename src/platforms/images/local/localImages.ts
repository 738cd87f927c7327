import { createHash } from 'node:crypto';
import type { ImageSettings } from '../../../domain/icons/icon.ts';
import { type ImageOutcome, type ImageProvider, type ImageRequest, NO_HINTS } from '../imageProvider.ts';
import { sharp } from '../sharp.ts';

export const LOCAL_MODEL = 'local-drawing-1';

/** Draws icons here, without a key: a rounded tile with shapes that depend on everything the request says. */
export class LocalImages implements ImageProvider {
  readonly settings: ImageSettings;
  readonly paid = false;

  constructor(size: string) {
    this.settings = { model: LOCAL_MODEL, size, quality: 'standard', format: 'png' };
  }

  tokensAtMost(): number {
    return 0;
  }

  async generate({ subject }: ImageRequest): Promise<ImageOutcome> {
    const [width = 1_024, height = 1_024] = this.settings.size.split('x').map(Number);
    const { category, style, color_scheme, elements, variation } = subject;
    const content = JSON.stringify([category.toLowerCase(), style, color_scheme, elements, variation]);
    const hash = createHash('sha256').update(content).digest();
    const hue = (hash[0] ?? 0) * 1.4;
    const shapes = [...hash.subarray(1, 25)].map((byte, place) => {
      const x = 20 + (place % 5) * 15;
      const y = 20 + Math.floor(place / 5) * 15;
      return `<circle cx="${x}" cy="${y}" r="${2 + byte / 40}" fill="hsl(${(hue + byte) % 360},70%,${30 + byte / 6}%)"/>`;
    });
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="${width}" height="${height}" preserveAspectRatio="none"><rect x="4" y="4" width="92" height="92" rx="20" fill="hsl(${hue},55%,88%)"/>${shapes.join('')}</svg>`;
    const bytes = await sharp(Buffer.from(svg)).png().toBuffer();
    return { kind: 'image', bytes, tokens: null, limits: NO_HINTS };
  }
}
