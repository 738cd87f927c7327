import { RawDocument } from '../bson/serialize.ts';
import type { Batch, CursorSource } from './cursors.ts';

const maximumBatchBytes = 15 * 1024 * 1024;

/** A finished result, handed out in batches. */
export class ResultSource implements CursorSource {
  private readonly documents: readonly Buffer[];
  private position = 0;

  constructor(documents: readonly Buffer[]) {
    this.documents = documents;
  }

  get isExhausted(): boolean {
    return this.position >= this.documents.length;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (let index = this.position; index < this.documents.length; index++)
      bytes += this.documents[index]?.length ?? 0;
    return bytes;
  }

  next(count: number): Batch {
    const documents: RawDocument[] = [];
    let bytes = 0;
    while (documents.length < count) {
      const document = this.documents[this.position];
      if (document === undefined || (documents.length > 0 && bytes + document.length > maximumBatchBytes))
        break;
      bytes += document.length;
      documents.push(new RawDocument(document));
      this.position++;
    }
    return { documents };
  }

  close(): void {
    this.position = this.documents.length;
  }
}
