import { createHmac } from "node:crypto";

const prefix = "whsec_";
export const secretBytes = 32;

/** A secret as Standard Webhooks writes it: `whsec_` and base64. `random` is base64url. */
export function secretText(random: string): string {
  return prefix + Buffer.from(random, "base64url").toString("base64");
}

/** HMAC-SHA256 over id, time and body: one signature for each secret, so that either side of a rotation can verify. */
export function signedHeaders(
  request: { id: string; atMs: number; body: string },
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(request.atMs / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(prefix.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${request.id}.${timestamp}.${request.body}`).digest("base64")}`;
  });
  return { "webhook-id": request.id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}
