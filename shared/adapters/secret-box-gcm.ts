import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { SecretBox } from "../ports/secret-box.ts";
import type { RotatedSecret } from "./rotated-secret.ts";

const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

const keyOf = (secret: string) => Buffer.from(hkdfSync("sha256", secret, "ai-sandbox-platform", "secret box", 32));

function encrypt(key: Buffer, text: string, context: string): string {
  const nonce = randomBytes(nonceBytes);
  const encryption = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  encryption.setAAD(Buffer.from(context));
  const body = Buffer.concat([encryption.update(text, "utf8"), encryption.final()]);
  return Buffer.concat([nonce, encryption.getAuthTag(), body]).toString("base64url");
}

function decrypt(key: Buffer, sealed: Buffer, context: string): string | null {
  try {
    const decryption = createDecipheriv(cipher, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
    decryption.setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
    decryption.setAAD(Buffer.from(context));
    const body = decryption.update(sealed.subarray(nonceBytes + tagBytes));
    return Buffer.concat([body, decryption.final()]).toString("utf8");
  } catch {
    return null;
  }
}

/**
 * AES-256-GCM under a key derived (HKDF-SHA-256) from a platform secret. What the version before the current one sealed is
 * still opened.
 */
export function gcmSecretBox(secret: RotatedSecret): SecretBox {
  return {
    seal: async (text, context) => encrypt(keyOf(await secret.signing()), text, context),
    async open(sealed, context) {
      const bytes = Buffer.from(sealed, "base64url");
      for await (const candidate of secret.candidates()) {
        const opened = decrypt(keyOf(candidate), bytes, context);
        if (opened !== null) return opened;
      }
      throw new Error("a sealed secret cannot be opened");
    },
  };
}
