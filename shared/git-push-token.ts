import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** Tokens with which one repository of a host that trusts the platform may be pushed to, made here and checked there. */
export interface PushGrant {
  /** Path on the host: `owner/name`, without `.git`. */
  repository: string;
  expiresAtMs: number;
}

/** Most git hosts take any name beside a token; this one says what it is. */
export const pushUsername = "x-access-token";

const keyPurpose = "git push token v1";

/** `secret`: the text of the platform's git secret. */
export function pushTokenKey(secret: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, "", keyPurpose, 32));
}

/** `base64url(payload).base64url(HMAC-SHA256)`; the payload is `{"repo": ..., "exp": seconds}`. */
export function signPushToken(key: Uint8Array, { repository, expiresAtMs }: PushGrant): string {
  const payload = JSON.stringify({ repo: repository, exp: Math.floor(expiresAtMs / 1000) });
  const encoded = Buffer.from(payload).toString("base64url");
  return `${encoded}.${signature(key, encoded).toString("base64url")}`;
}

/** True where the token is ours, for exactly this repository and not yet expired. */
export function verifyPushToken(key: Uint8Array, token: string, repository: string, nowMs: number): boolean {
  const [encoded = "", mac = "", ...rest] = token.split(".");
  if (rest.length > 0) return false;
  const expected = signature(key, encoded);
  const given = Buffer.from(mac, "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
  const payload = parsePayload(encoded);
  return payload?.repo === repository && typeof payload.exp === "number" && payload.exp * 1000 > nowMs;
}

const signature = (key: Uint8Array, encoded: string) => createHmac("sha256", key).update(encoded).digest();

function parsePayload(encoded: string): { repo?: unknown; exp?: unknown } | null {
  try {
    return JSON.parse(Buffer.from(encoded, "base64url").toString("utf8")) as { repo?: unknown; exp?: unknown } | null;
  } catch {
    return null;
  }
}

const repositoryPath = /^\/?([^/]+\/[^/]+?)(?:\.git)?\/?$/;

/** `owner/name` of a clone URL, or null where it has another shape. */
export function repositoryOf(url: URL): string | null {
  return repositoryPath.exec(url.pathname)?.[1] ?? null;
}
