import { createHash } from "node:crypto";
import type { BatchStep, Fields } from "./dynalite.ts";
import { serviceFailure, validationFailure } from "./failure.ts";
import { rowPrefix, under, type TableClock, type TableStore } from "./table-store.ts";

const tokenLifeMs = 10 * 60 * 1000;
const maxTokenLength = 36;

interface TokenRow {
  key: string;
  fingerprint: string;
  expiresAtMs: number;
}

/** Whether a committed transaction bore this ClientRequestToken in the last ten minutes. With other parts it is refused. */
export function checkToken(store: TableStore, clock: TableClock, input: Fields, request: string): "new" | "repeated" {
  const key = tokenKey(input);
  const row = key === null ? undefined : (store.database.getSync(key) as TokenRow | undefined);
  if (row === undefined || row.expiresAtMs <= clock.now()) return "new";
  if (row.fingerprint === fingerprintOf(request)) return "repeated";
  throw serviceFailure(
    "IdempotentParameterMismatchException",
    "Transaction request with the same client request token but different parameters was already made",
  );
}

export function tokenStep(clock: TableClock, input: Fields, request: string): BatchStep[] {
  const key = tokenKey(input);
  if (key === null) return [];
  const row: TokenRow = { key, fingerprint: fingerprintOf(request), expiresAtMs: clock.now() + tokenLifeMs };
  return [{ type: "put", key, value: row }];
}

export async function sweepTokens(store: TableStore, clock: TableClock): Promise<void> {
  const rows = (await store.database.values(under(rowPrefix.token)).all()) as TokenRow[];
  const dead = rows.filter((row) => row.expiresAtMs <= clock.now());
  if (dead.length === 0) return;
  await store.exclusively(() => store.database.batch(dead.map(({ key }) => ({ type: "del", key }))));
}

function tokenKey(input: Fields): string | null {
  const token = input["ClientRequestToken"];
  if (token === undefined || token === null) return null;
  if (typeof token === "string" && token.length >= 1 && token.length <= maxTokenLength) {
    return rowPrefix.token + Buffer.from(token).toString("hex");
  }
  throw validationFailure(
    `1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: ` +
      `Member must have length less than or equal to ${maxTokenLength}`,
  );
}

function fingerprintOf(request: string): string {
  return createHash("sha256").update(request).digest("base64");
}
