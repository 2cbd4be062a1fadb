import { digestOf, equalSecrets } from "./digest.ts";

/** What an API key is, for the verbs and for `connect`, which has no room for theirs. */
export interface ApiKeyText {
  tenantId: string;
  keyId: string;
  secret: string;
}

const start = "sbx_";
const pattern = /^sbx_([0-9A-HJKMNP-TV-Z]{26})([0-9A-HJKMNP-TV-Z]{26})_([A-Za-z0-9_-]{43})$/;

/** 43 characters in base64url. */
export const apiKeySecretBytes = 32;

/** Of a key that is in use its row says so at most this often. */
const touchEveryMs = 60_000;

const ulidOf = (id: string) => id.slice(id.indexOf("_") + 1);

/** `sbx_<ULID of the key><ULID of the tenant>_<secret>`: scanners for leaked secrets can know it. */
export function formatApiKey({ tenantId, keyId, secret }: ApiKeyText): string {
  return `${apiKeyPrefix(keyId)}${ulidOf(tenantId)}_${secret}`;
}

/** The part that may be shown: it tells which key a configuration holds. */
export function apiKeyPrefix(keyId: string): string {
  return start + ulidOf(keyId);
}

/** True where the text claims to be an API key, whatever it is worth. */
export function isApiKey(text: string): boolean {
  return text.startsWith(start);
}

/** Null where the text has another shape. */
export function parseApiKey(text: string): ApiKeyText | null {
  const [, key, tenant, secret] = pattern.exec(text) ?? [];
  if (!key || !tenant || !secret) return null;
  return { tenantId: `ten_${tenant}`, keyId: `key_${key}`, secret };
}

/** What of a stored key decides; times in milliseconds. */
export interface ApiKeyState {
  secret_hash: string;
  ends_at?: number | undefined;
  revoked_at?: number | undefined;
  last_used_at?: number | undefined;
}

export function opens(key: ApiKeyState, secret: string, nowMs: number): boolean {
  const isOver = key.revoked_at !== undefined || (key.ends_at !== undefined && key.ends_at <= nowMs);
  return equalSecrets(key.secret_hash, digestOf(secret)) && !isOver;
}

/** True where the row's `last_used_at` is too old to be left as it is. */
export function isTouchDue(key: Pick<ApiKeyState, "last_used_at">, nowMs: number): boolean {
  return key.last_used_at === undefined || key.last_used_at <= nowMs - touchEveryMs;
}
