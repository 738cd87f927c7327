import { maximumMessageBytes, ProtocolError } from './messages.ts';

/** Cuts a stream of bytes into messages, each of which starts with its length. */
export class MessageSplitter {
  private chunks: Buffer[] = [];
  private bytes = 0;

  /** @throws ProtocolError when a length is impossible */
  push(chunk: Buffer): Buffer[] {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    const messages: Buffer[] = [];
    let wanted = this.nextLength();
    while (wanted !== null && this.bytes >= wanted) {
      const joined = this.join();
      messages.push(joined.subarray(0, wanted));
      this.chunks = [joined.subarray(wanted)];
      this.bytes = joined.length - wanted;
      wanted = this.nextLength();
    }
    return messages;
  }

  private nextLength(): number | null {
    if (this.bytes < 4) return null;
    const [first] = this.chunks;
    const start = first !== undefined && first.length >= 4 ? first : this.join();
    const length = start.readInt32LE(0);
    if (length < 16 || length > maximumMessageBytes) throw new ProtocolError(`length ${length}`);
    return length;
  }

  private join(): Buffer {
    const [first] = this.chunks;
    const joined =
      this.chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.chunks, this.bytes);
    this.chunks = [joined];
    return joined;
  }
}
