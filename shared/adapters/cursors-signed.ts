import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { AppError } from "../errors.ts";
import type { Cursors } from "../ports/cursors.ts";
import type { SecretText } from "./derived-keys.ts";

const macBytes = 32;

/** HMAC-SHA256 over tenant, list and cursor, with a key of its own derived from the platform's user secret. */
export function signedCursors(secret: SecretText): Cursors {
  let key: Promise<Buffer> | null = null;
  const derived = () => {
    key ??= secret().then((text) => Buffer.from(hkdfSync("sha256", text, "", "cursor", macBytes)));
    return key;
  };
  const mac = async (cursor: string, tenantId: string, scope: string) =>
    createHmac("sha256", await derived())
      .update(JSON.stringify([tenantId, scope, cursor]))
      .digest();
  return {
    async seal(cursor, tenantId, scope) {
      const sealed = Buffer.concat([await mac(cursor, tenantId, scope), Buffer.from(cursor)]);
      return sealed.toString("base64url");
    },
    async open(sealed, tenantId, scope) {
      const bytes = Buffer.from(sealed, "base64url");
      const cursor = bytes.subarray(macBytes).toString("utf8");
      const expected = await mac(cursor, tenantId, scope);
      const given = bytes.subarray(0, macBytes);
      if (given.length !== macBytes || !timingSafeEqual(given, expected))
        throw new AppError("bad_request", "The cursor is not valid");
      return cursor;
    },
  };
}
