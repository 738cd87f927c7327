import { createHash, type webcrypto } from 'node:crypto';

/** A secret of the environment as a key for HMAC with SHA-256. */
export class SigningKey {
  /** Names the key in the header of its tokens, and tells nothing about it. */
  readonly id: string;
  /** Imported once. */
  readonly imported: Promise<webcrypto.CryptoKey>;

  constructor(secret: string) {
    this.id = createHash('sha256').update(secret).digest('hex').slice(0, 8);
    this.imported = crypto.subtle.importKey(
      'raw',
      Buffer.from(secret, 'utf8'),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign', 'verify'],
    );
  }
}
