import type { APIGatewayProxyWebsocketEventV2 } from "aws-lambda";
import type { Table } from "../../shared/data/service.ts";
import { removeConnection } from "../../shared/domain/connection/connection.ts";
import { wake } from "../../shared/domain/turn/turn.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { WorkQueue } from "../../shared/ports/work-queue.ts";

export interface DisconnectDeps {
  table: Table;
  queue: WorkQueue;
  log: Log;
}

/** A sandbox that is away this long is looked at. */
const sandboxGraceSeconds = 10;

/** `$disconnect` is best effort: nothing relies on it, it only makes things sooner. */
export function onDisconnect(live: () => DisconnectDeps) {
  let deps: DisconnectDeps | null = null;
  return async (event: APIGatewayProxyWebsocketEventV2): Promise<{ statusCode: number }> => {
    deps ??= live();
    const connection = await removeConnection(deps.table, event.requestContext.connectionId);
    if (connection?.kind === "sandbox" && connection.session_id) {
      await wake(deps, { tenant_id: connection.tenant_id, session_id: connection.session_id }, sandboxGraceSeconds);
    }
    return { statusCode: 200 };
  };
}
