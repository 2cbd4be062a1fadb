import { randomBytes } from "node:crypto";

/** Request, message and connection ids as API Gateway writes them: 11 random bytes, base64url, padded to 16 characters ending in "=". */
export function newGatewayId(): string {
  return `${randomBytes(11).toString("base64url")}=`;
}

/** `X-Amzn-Trace-Id` of a request that starts its trace here. */
export function newTraceId(nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000).toString(16);
  return `Root=1-${seconds}-${randomBytes(12).toString("hex")}`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `12/Mar/2020:19:03:58 +0000`, the CLF time of `requestContext`. */
export function clfTime(nowMs: number): string {
  const date = new Date(nowMs);
  const day = String(date.getUTCDate()).padStart(2, "0");
  return `${day}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}:${date.toISOString().slice(11, 19)} +0000`;
}
