import type { Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { MergeState } from "../../protocol/merge.ts";
import { latestCheckpoint } from "../checkpoint/checkpoint.ts";
import { operatedOf, operationOf } from "../checkpoint/operation.decisions.ts";
import { readConversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";

/** Whether a merge is under way, what of its conflicts is open, and how the last one ended. Throws `not_found`. */
export async function mergeState(deps: { table: Table }, key: SessionKey): Promise<MergeState> {
  const conversation = await readConversation(deps.table, key);
  if (!conversation) throw new AppError("not_found");
  const isMerging = operationOf(conversation)?.kind === "merge";
  const merging = (await latestCheckpoint(deps.table, conversation))?.merging;
  const { commit = null, paths = [], unresolved = paths } = merging ?? {};
  const open = new Set(unresolved);
  return {
    state: isMerging ? "merging" : merging ? "resolving" : "none",
    target_commit: commit,
    conflicts: paths.map((path) => ({ path, resolved: !open.has(path) })),
    last: operatedOf(conversation)?.merge ?? null,
  };
}
