import type { ImageSettings } from '../../../domain/icons/icon.ts';
import { type ImageOutcome, type ImageProvider, type ImageRequest, NO_HINTS } from '../imageProvider.ts';
import { sharp } from '../sharp.ts';
import { composeIcon } from './composeIcon.ts';

export const LOCAL_MODEL = 'local-drawing-1';

const PIXELS = /^(\d{1,4})x(\d{1,4})$/;
/** What `auto` means here. */
const DEFAULT_PIXELS = 1_024;

/** Draws icons here, without a key and for nothing: the same request gives the same bytes. */
export class LocalImages implements ImageProvider {
  readonly settings: ImageSettings;
  readonly paid = false;
  readonly #width: number;
  readonly #height: number;

  /** @param size - such as `1024x1024`, or `auto` */
  constructor(size: string) {
    this.settings = { model: LOCAL_MODEL, size, quality: 'standard', format: 'png' };
    const [, width = DEFAULT_PIXELS, height = DEFAULT_PIXELS] = PIXELS.exec(size) ?? [];
    this.#width = Number(width);
    this.#height = Number(height);
  }

  tokensAtMost(): number {
    return 0;
  }

  async generate({ subject }: ImageRequest): Promise<ImageOutcome> {
    const svg = composeIcon(subject, this.#width, this.#height);
    const bytes = await sharp(Buffer.from(svg)).png().toBuffer();
    return { kind: 'image', bytes, tokens: null, limits: NO_HINTS };
  }
}
