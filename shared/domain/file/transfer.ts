import type { SessionKey } from "../timeline/row.ts";

/** Files on their way in or out: the bucket forgets what is below this after a day. */
export function transferKey({ tenant_id, session_id }: SessionKey, sha256: string): string {
  return ["transfers", tenant_id, session_id, sha256].join("/");
}
