import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { ReadAhead } from '../../src/platforms/storage/readAhead.ts';

const LIMITS = { bytes: 100, largestBytes: 60, waiting: 1 };

function sourceOf(bytes: number): Readable {
  return Readable.from([Buffer.alloc(bytes, 1)]);
}

/** Also one that fails. */
function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve));
}

test('what fits into memory frees its source before anybody reads', async () => {
  const source = sourceOf(60);
  const ahead = new ReadAhead(LIMITS).add(source, 60);
  await closed(source);
  if (!ahead) throw new Error('It was refused');
  expect(await buffer(ahead)).toHaveLength(60);
});

test('what has no room keeps its source, few at a time, until something is closed', async () => {
  const readAhead = new ReadAhead(LIMITS);
  const first = readAhead.add(sourceOf(60), 60);
  const waiting = sourceOf(60);
  expect(readAhead.add(waiting, 60)).toBe(waiting);
  const refused = sourceOf(61);
  expect(readAhead.add(refused, 61)).toBeUndefined();
  expect(refused.destroyed).toBe(true);
  expect(readAhead.add(sourceOf(1), undefined)).toBeUndefined();
  if (!first) throw new Error('It was refused');
  first.destroy();
  await closed(first);
  expect(readAhead.add(sourceOf(60), 60)).toBeInstanceOf(PassThrough);
  waiting.destroy();
  await closed(waiting);
  const unknown = sourceOf(1);
  expect(readAhead.add(unknown, undefined)).toBe(unknown);
});

test('a source that breaks off before anybody reads fails whoever reads then', async () => {
  for (const read of [buffer, (stream: Readable) => pipeline(stream, new PassThrough())]) {
    const source = new Readable({ read: () => undefined });
    const ahead = new ReadAhead(LIMITS).add(source, 60);
    if (!ahead) throw new Error('It was refused');
    source.push(Buffer.alloc(10));
    source.destroy(new Error('broken off'));
    await closed(ahead);
    await expect(read(ahead)).rejects.toThrow('broken off');
  }
});

test('a reader that goes away closes the source', async () => {
  const source = new Readable({ read: () => undefined });
  const ahead = new ReadAhead(LIMITS).add(source, 60);
  ahead?.destroy();
  await closed(source);
});
