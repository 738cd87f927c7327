import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';

const megabyte = 1024 * 1024;
/** What Node sets aside for new objects; it is part of the limit that V8 tells, and documents do not live there. */
const youngBytes = 192 * megabyte;
const minimumReserve = 32 * megabyte;
const reserveShare = 0.2;

/** Bytes of JavaScript heap that objects which stay may take. */
export const heapLimit = oldGenerationLimit(getHeapStatistics().heap_size_limit);

function oldGenerationLimit(limit: number): number {
  return Math.max(limit - youngBytes, limit / 4);
}

/** Whether what is left of the heap is needed for answering: results and the garbage that they leave. */
export function isHeapNearlyFull(): boolean {
  let used = 0;
  for (const { space_name: name, space_used_size: bytes } of getHeapSpaceStatistics())
    if (!name.startsWith('new_')) used += bytes;
  return used > heapLimit - Math.max(heapLimit * reserveShare, Math.min(minimumReserve, heapLimit / 2));
}
