/** Verifies one file, and says by how much the memory of this process rose at its peak. */
import { readFile } from 'node:fs/promises';
import { ICON_LIMITS, verifyImage } from '../../src/platforms/images/verifyImage.ts';

const [, , warmUp = '', path = ''] = process.argv;
// Loads the library and its decoders, which is not the image's doing.
await verifyImage(await readFile(warmUp), ICON_LIMITS);

const bytes = await readFile(path);
const before = process.resourceUsage().maxRSS;
const verified = await verifyImage(bytes, ICON_LIMITS);
const risenMegabytes = (process.resourceUsage().maxRSS - before) / 1_024;
console.log(JSON.stringify({ kind: verified.kind === 'valid' ? 'valid' : verified.reason, risenMegabytes }));
