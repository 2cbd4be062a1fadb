import { rows, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { ToolCall } from "./tool-call.ts";

/** Every call that the session ever handed out. */
export async function callsOf(table: Table, { tenant_id, session_id }: SessionKey): Promise<ToolCall[]> {
  const found = await rows(table)
    .entities.toolCall.query.bySession({ tenant_id, session_id })
    .go({ pages: "all", consistent: true });
  return found.data;
}
