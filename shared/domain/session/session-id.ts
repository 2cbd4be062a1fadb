import { createHash } from "node:crypto";

/** A UUID v4 that follows from an operation: whoever repeats the operation finds the session of the first time. */
export function sessionIdOf(tenantId: string, operationId: string): string {
  const bytes = createHash("sha256")
    .update(JSON.stringify(["session", tenantId, operationId]))
    .digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
