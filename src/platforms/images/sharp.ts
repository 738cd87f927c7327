/**
 * The only place that imports sharp, so that its settings, which are those of the whole process, are in force wherever it
 * is used.
 */
import sharp from 'sharp';

// What was decoded is not needed again, and the cache would keep open files and memory.
sharp.cache(false);
// One thread for each image: images run beside each other already.
sharp.concurrency(1);

// Bytes only, no files: an SVG that is loaded by its path reads files beside it. SVG is for drawings of our own; nothing that
// came from outside gets this far as SVG (`verifyImage`).
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: [
    'VipsForeignLoadPngBuffer',
    'VipsForeignLoadJpegBuffer',
    'VipsForeignLoadWebpBuffer',
    'VipsForeignLoadSvgBuffer',
  ],
});

export { sharp };
