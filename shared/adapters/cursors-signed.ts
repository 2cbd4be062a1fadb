import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { AppError } from "../errors.ts";
import type { Cursors } from "../ports/cursors.ts";
import { matchesAny, type RotatedSecret } from "./rotated-secret.ts";

const macBytes = 32;

function macOf(text: string, cursor: string, tenantId: string, scope: string): Buffer {
  const key = Buffer.from(hkdfSync("sha256", text, "", "cursor", macBytes));
  return createHmac("sha256", key)
    .update(JSON.stringify([tenantId, scope, cursor]))
    .digest();
}

/**
 * HMAC-SHA256 over tenant, list and cursor, with a key of its own derived from the platform's user secret. A cursor is
 * good until the second rotation after it.
 */
export function signedCursors(secret: RotatedSecret): Cursors {
  return {
    async seal(cursor, tenantId, scope) {
      const mac = macOf(await secret.signing(), cursor, tenantId, scope);
      return Buffer.concat([mac, Buffer.from(cursor)]).toString("base64url");
    },
    async open(sealed, tenantId, scope) {
      const bytes = Buffer.from(sealed, "base64url");
      const cursor = bytes.subarray(macBytes).toString("utf8");
      const given = bytes.subarray(0, macBytes);
      const isOurs = (text: string) => timingSafeEqual(given, macOf(text, cursor, tenantId, scope));
      if (given.length !== macBytes || !(await matchesAny(secret, isOurs)))
        throw new AppError("bad_request", "The cursor is not valid");
      return cursor;
    },
  };
}
