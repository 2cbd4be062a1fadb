import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { CapabilityKind, PreviewCapabilities, PreviewTarget } from "../ports/capabilities.ts";
import type { SecretText } from "./derived-keys.ts";

const macBytes = 32;

type Claims = [CapabilityKind, string, string, number, number];

/** `base64url(HMAC-SHA256 ‖ claims)`, with a key derived from the preview secret. */
export function hmacPreviewCapabilities(secret: SecretText): PreviewCapabilities {
  const mac = async (claims: string) => {
    const key = Buffer.from(hkdfSync("sha256", await secret(), "", "preview", macBytes));
    return createHmac("sha256", key).update(claims).digest();
  };
  return {
    async issue(kind, { tenantId, sessionId, port }, expiresAtMs) {
      const claims: Claims = [kind, tenantId, sessionId, port, expiresAtMs];
      const text = JSON.stringify(claims);
      return Buffer.concat([await mac(text), Buffer.from(text)]).toString("base64url");
    },
    async read(kind, text, nowMs): Promise<PreviewTarget | null> {
      const bytes = Buffer.from(text, "base64url");
      if (bytes.length <= macBytes) return null;
      const claims = bytes.subarray(macBytes).toString("utf8");
      if (!timingSafeEqual(bytes.subarray(0, macBytes), await mac(claims))) return null;
      const [claimed, tenantId, sessionId, port, expiresAtMs] = JSON.parse(claims) as Claims;
      return claimed === kind && expiresAtMs > nowMs ? { tenantId, sessionId, port } : null;
    },
  };
}
