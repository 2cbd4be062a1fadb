import { createHash, timingSafeEqual } from "node:crypto";

/** SHA-256 in base64url: how secrets are kept at rest. */
export function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

/** Takes the same time wherever the two differ. */
export function equalSecrets(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
}
