import { deserialize } from '../bson/deserialize.ts';
import type { Document } from '../bson/values.ts';
import { heapLimit } from './heap.ts';

/** One state of a document: its BSON as stored, and its parsed form while that is worth its memory. */
export class Version {
  readonly raw: Buffer;
  private parsed: Document | null;

  constructor(raw: Buffer, parsed: Document | null) {
    this.raw = raw;
    this.parsed = parsed;
    if (parsed !== null) remember(this);
  }

  /** Never change the result; it is shared. */
  get document(): Document {
    if (this.parsed === null) {
      this.parsed = deserialize(this.raw);
      remember(this);
    }
    return this.parsed;
  }

  forget(): void {
    this.parsed = null;
  }
}

// Parsed documents take several times the memory of their BSON: when this many were parsed, all are dropped
// and parsed again on demand.
const maximumParsedBytes = Math.min(48 * 1024 * 1024, heapLimit / 32);
let remembered: Version[] = [];
let rememberedBytes = 0;

function remember(version: Version): void {
  remembered.push(version);
  rememberedBytes += version.raw.length;
  if (rememberedBytes < maximumParsedBytes && remembered.length < 100_000) return;
  for (const old of remembered) if (old !== version) old.forget();
  remembered = [version];
  rememberedBytes = version.raw.length;
}
