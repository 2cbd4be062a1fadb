import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { equalSecrets } from "../digest.ts";
import type { AnswerSeal } from "../ports/answer-seal.ts";
import { matchesAny, type RotatedSecret } from "./rotated-secret.ts";

const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** Needs both: neither the platform's secret nor the client's key alone opens what the table holds. */
function derive(secret: string, key: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, key, `idempotency ${purpose}`, 32));
}

function mac(secret: string, key: string, request: string): string {
  return createHmac("sha256", derive(secret, key, "request"))
    .update(request)
    .digest("base64url");
}

function encrypt(key: Buffer, context: string, text: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const encryption = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  encryption.setAAD(Buffer.from(context));
  const body = Buffer.concat([encryption.update(deflateRawSync(text)), encryption.final()]);
  return Buffer.concat([nonce, encryption.getAuthTag(), body]);
}

function decrypt(key: Buffer, context: string, sealed: Buffer): string | null {
  const [nonce, tag] = [sealed.subarray(0, nonceBytes), sealed.subarray(nonceBytes, nonceBytes + tagBytes)];
  try {
    const decryption = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes });
    decryption.setAuthTag(tag);
    decryption.setAAD(Buffer.from(context));
    const body = sealed.subarray(nonceBytes + tagBytes);
    return inflateRawSync(Buffer.concat([decryption.update(body), decryption.final()])).toString("utf8");
  } catch {
    return null;
  }
}

/** AES-256-GCM under a key that is derived (HKDF-SHA-256) from the client's key and the platform's secret. */
export function gcmAnswerSeal(secret: RotatedSecret): AnswerSeal {
  return {
    fingerprint: async (key, request) => mac(await secret.signing(), key, request),
    matches: (key, request, fingerprint) =>
      matchesAny(secret, (text) => equalSecrets(mac(text, key, request), fingerprint)),
    seal: async (key, context, answer) =>
      encrypt(derive(await secret.signing(), key, "answer"), context, answer).toString("base64url"),
    async open(key, context, sealed) {
      const bytes = Buffer.from(sealed, "base64url");
      for await (const text of secret.candidates()) {
        const opened = decrypt(derive(text, key, "answer"), context, bytes);
        if (opened !== null) return opened;
      }
      return null;
    },
  };
}
