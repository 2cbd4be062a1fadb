import type { AppError } from "../../shared/errors.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { Actor } from "../../shared/ports/tokens.ts";

/** What one request's line says: ids and figures, never a body, a query string or a token. */
export interface RequestRecord {
  requestId: string;
  /** Method and path pattern; never the path itself. */
  route: string;
  status: number;
  startedMs: number;
  endedMs: number;
  actor: Actor | null;
  sessionId: string | undefined;
  error: AppError | null;
}

export function logRequest(log: Log, record: RequestRecord): void {
  const { requestId, route, status, startedMs, endedMs, actor, sessionId, error } = record;
  log.info("request", {
    request_id: requestId,
    route,
    status,
    duration_ms: endedMs - startedMs,
    tenant_id: actor?.tenantId,
    user_id: actor?.userId,
    session_id: sessionId,
    code: error?.code,
  });
}

/** What was not expected: logged with its stack, answered as `internal` without it. */
export function logUnexpected(log: Log, requestId: string, route: string, error: unknown): void {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  log.error("unexpected", { request_id: requestId, route, error: message, stack });
}
