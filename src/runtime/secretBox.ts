import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** 32 bytes, and the name by which records say that they were sealed with them. */
export interface EncryptionKey {
  readonly id: string;
  readonly key: Buffer;
}

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Version, key id, and nonce, tag and ciphertext in one. */
const SEALED = /^v1:([a-z0-9]{1,16}):([A-Za-z0-9_-]+)$/;

/** A sealed text that no key at hand opens: its key is gone, it was changed, or it belongs to another record. */
export class UnreadableSecretError extends Error {
  override name = 'UnreadableSecretError';
}

/**
 * Seals secrets that are kept in MongoDB, with AES-256-GCM. The sealed text names its key, so that a key can be replaced:
 * the previous one still opens what it sealed, and everything new is sealed with the current one.
 */
export class SecretBox {
  readonly #current: EncryptionKey;
  readonly #keys: ReadonlyMap<string, Buffer>;

  constructor(current: EncryptionKey, previous?: EncryptionKey) {
    this.#current = current;
    // With one id for both, the current key is the one that is meant.
    this.#keys = new Map([...(previous ? [previous] : []), current].map(({ id, key }) => [id, key]));
  }

  /**
   * @param owner - the record that holds it, such as `webhook:whe_1`; the text opens for no other one
   * @returns a text of printable ASCII
   */
  seal(secret: string, owner: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#current.key, nonce).setAAD(Buffer.from(owner));
    const ciphertext = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    const box = Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
    return `v1:${this.#current.id}:${box.toString('base64url')}`;
  }

  /** @throws UnreadableSecretError */
  open(sealed: string, owner: string): string {
    const [, keyId = '', text = ''] = SEALED.exec(sealed) ?? [];
    const key = this.#keys.get(keyId);
    const box = Buffer.from(text, 'base64url');
    if (!key || box.length < NONCE_BYTES + TAG_BYTES) {
      throw new UnreadableSecretError('The secret was sealed with a key that is not configured');
    }
    const nonce = box.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(owner))
      .setAuthTag(box.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    try {
      const plain = [decipher.update(box.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()];
      return Buffer.concat(plain).toString('utf8');
    } catch {
      // What the cipher says names neither the key nor the record, and nothing of it may leak.
      throw new UnreadableSecretError(
        'The secret does not open: another key, another record, or it was changed',
      );
    }
  }

  /** False for what should be sealed anew, so that the previous key can be dropped one day. */
  isCurrent(sealed: string): boolean {
    return SEALED.exec(sealed)?.[1] === this.#current.id;
  }
}

/** The box of this installation; nothing while no key is configured. */
export function openSecretBox(
  current: EncryptionKey | undefined,
  previous: EncryptionKey | undefined,
): SecretBox | undefined {
  return current ? new SecretBox(current, previous) : undefined;
}
