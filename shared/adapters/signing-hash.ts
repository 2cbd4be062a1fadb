import { createHash, createHmac, createSecretKey, type KeyObject } from "node:crypto";

type Source = string | ArrayBuffer | ArrayBufferView;

/** Credentials of this process, and the key that is derived of them each day. */
const maxKeys = 50;
const keysOfTexts = new Map<string, KeyObject>();
const keysOfBytes = new WeakMap<object, KeyObject>();

function bytesOf(source: Source): NodeJS.ArrayBufferView | string {
  return source instanceof ArrayBuffer ? new Uint8Array(source) : (source as string | NodeJS.ArrayBufferView);
}

function newKey(secret: Source): KeyObject {
  return typeof secret === "string"
    ? createSecretKey(secret, "utf8")
    : createSecretKey(bytesOf(secret) as NodeJS.ArrayBufferView);
}

function keyOf(secret: Source): KeyObject {
  const known = typeof secret === "string" ? keysOfTexts.get(secret) : keysOfBytes.get(secret);
  if (known) return known;
  const key = newKey(secret);
  if (typeof secret !== "string") keysOfBytes.set(secret, key);
  else {
    if (keysOfTexts.size >= maxKeys) keysOfTexts.clear();
    keysOfTexts.set(secret, key);
  }
  return key;
}

/**
 * SHA-256 for the SDK's `sha256` setting. Each request is signed with two keys that stay the same: the SDK's own hash
 * makes key objects of them each time, which costs ten times as much as the digests.
 */
export class SigningHash {
  #hash;
  readonly #secret: Source | undefined;

  constructor(secret?: Source) {
    this.#secret = secret;
    this.#hash = this.#begin();
  }

  update(data: Source): void {
    this.#hash.update(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    this.#hash = this.#begin();
  }

  #begin() {
    return this.#secret ? createHmac("sha256", keyOf(this.#secret)) : createHash("sha256");
  }
}
