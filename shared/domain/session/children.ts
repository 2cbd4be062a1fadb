import { rows, type Table } from "../../data/service.ts";
import { InboxStatus } from "../../protocol/session.ts";
import type { SessionKey } from "../timeline/row.ts";
import { dropParent, type ChangeDeps } from "./change.ts";
import { childOf } from "./session-keys.decisions.ts";

const atATime = 10;

async function readChildren(table: Table, { tenant_id, session_id }: SessionKey, limit: number): Promise<SessionKey[]> {
  const found = await Promise.all(
    InboxStatus.options.map((status) =>
      rows(table)
        .entities.session.query.byParent({ child_of: childOf(tenant_id, session_id, status) })
        .go({ limit, attributes: ["tenant_id", "session_id"] }),
    ),
  );
  return found.flatMap(({ data }) => data).slice(0, limit);
}

/** Takes the parent from at most `limit` children of a deleted session. False where there may be more of them. */
export async function releaseChildren(deps: ChangeDeps, parent: SessionKey, limit: number): Promise<boolean> {
  const children = await readChildren(deps.table, parent, limit);
  for (let at = 0; at < children.length; at += atATime) {
    const some = children.slice(at, at + atATime);
    await Promise.all(some.map((child) => dropParent(deps, child, parent.session_id)));
  }
  return children.length < limit;
}
