import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { CapabilityKind, PreviewAdmission, PreviewCapabilities } from "../ports/capabilities.ts";
import { matchesAny, type RotatedSecret } from "./rotated-secret.ts";

const macBytes = 32;

type Claims = [CapabilityKind, string, string, number, number, string?, number?, (string | null)?];

function macOf(text: string, claims: string): Buffer {
  const key = Buffer.from(hkdfSync("sha256", text, "", "preview", macBytes));
  return createHmac("sha256", key).update(claims).digest();
}

/** `base64url(HMAC-SHA256 ‖ claims)`, with a key derived from the preview secret. */
export function hmacPreviewCapabilities(secret: RotatedSecret): PreviewCapabilities {
  return {
    async issue(kind, { tenantId, sessionId, port, holder }, expiresAtMs) {
      const { userId, generation, keyId } = holder;
      const claims: Claims = [kind, tenantId, sessionId, port, expiresAtMs, userId, generation, keyId];
      const text = JSON.stringify(claims);
      return Buffer.concat([macOf(await secret.signing(), text), Buffer.from(text)]).toString("base64url");
    },
    async read(kind, text, nowMs): Promise<PreviewAdmission | null> {
      const bytes = Buffer.from(text, "base64url");
      if (bytes.length <= macBytes) return null;
      const claims = bytes.subarray(macBytes).toString("utf8");
      const isOurs = (signer: string) => timingSafeEqual(bytes.subarray(0, macBytes), macOf(signer, claims));
      if (!(await matchesAny(secret, isOurs))) return null;
      const [claimed, tenantId, sessionId, port, expiresAtMs, userId, generation, keyId = null] = JSON.parse(
        claims,
      ) as Claims;
      if (claimed !== kind || expiresAtMs <= nowMs || userId === undefined || generation === undefined) return null;
      return { tenantId, sessionId, port, holder: { userId, generation, keyId } };
    },
  };
}
