import { createHash } from "node:crypto";
import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";

/** A repeated request is known for this long. */
const requestLifeSeconds = 24 * 3600;

export interface ClientRequest {
  user_id: string;
  /** Chosen by the client; null where a repetition can not be told from a new request. */
  request_id: string | null;
  fingerprint: string;
}

/** What the same request is recognised by. */
export function fingerprintOf(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

const scopeOf = ({ user_id }: Pick<ClientRequest, "user_id">, { session_id }: SessionKey) => `${user_id}#${session_id}`;

/** In the transaction that carries it out: refused where it was carried out before. Nothing for one without an id. */
export function remember(
  entities: TransactionEntities,
  key: SessionKey,
  request: ClientRequest,
  result: unknown,
  now: number,
): TransactionItem[] {
  const { request_id, fingerprint } = request;
  if (request_id === null) return [];
  const created = entities.idempotency
    .create({
      tenant_id: key.tenant_id,
      scope: scopeOf(request, key),
      request_id,
      fingerprint,
      result: JSON.stringify(result),
      expires_at: Math.ceil(now / 1000) + requestLifeSeconds,
    })
    .commit({ response: "all_old" });
  return [created];
}

/** In the transaction that says that it came to nothing: the same request is a new one then. */
export function forget(
  entities: TransactionEntities,
  key: SessionKey,
  { user_id, request_id }: Pick<ClientRequest, "user_id" | "request_id">,
): TransactionItem[] {
  if (request_id === null) return [];
  const scope = scopeOf({ user_id }, key);
  return [entities.idempotency.delete({ tenant_id: key.tenant_id, scope, request_id }).commit({ response: "all_old" })];
}

/** What the request was answered before; null where it was not. Throws `idempotency_mismatch` for another request. */
export async function recall(table: Table, key: SessionKey, request: ClientRequest): Promise<unknown> {
  const { request_id, fingerprint } = request;
  if (request_id === null) return null;
  const found = await rows(table)
    .entities.idempotency.get({ tenant_id: key.tenant_id, scope: scopeOf(request, key), request_id })
    .go({ consistent: true });
  if (!found.data) return null;
  if (found.data.fingerprint !== fingerprint) throw new AppError("idempotency_mismatch");
  return JSON.parse(found.data.result) as unknown;
}

/** A request as the table remembers it. */
export interface CarriedOut {
  user_id: string;
  request_id: string;
  result: unknown;
}

/** What a user's requests to the session were answered, as long as they are known. */
export async function carriedOut(table: Table, key: SessionKey, user_id: string): Promise<CarriedOut[]> {
  const scope = scopeOf({ user_id }, key);
  const found = await rows(table)
    .entities.idempotency.query.byRequest({ tenant_id: key.tenant_id, scope })
    .go({ pages: "all", consistent: true });
  return found.data.map(({ request_id, result }) => ({ user_id, request_id, result: JSON.parse(result) as unknown }));
}
