export interface PresignedPut {
  url: string;
  /** Must be sent exactly so: they are part of the signature. */
  headers: Record<string, string>;
}

export interface Objects {
  put(key: string, body: string | Uint8Array, contentType: string): Promise<void>;
  /** Null where there is no such object. */
  get(key: string): Promise<Uint8Array | null>;
  /** Length in bytes, or null. */
  head(key: string): Promise<{ length: number } | null>;
  presignGet(key: string, expiresInSeconds: number): Promise<string>;
  /** Signs exactly this length and SHA-256 (hex) and `If-None-Match: *`. */
  presignPut(key: string, length: number, sha256: string, expiresInSeconds: number): Promise<PresignedPut>;
}
