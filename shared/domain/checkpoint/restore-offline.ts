import { latestContainer } from "../container/container.ts";
import { hasNotEnded } from "../container/container.decisions.ts";
import {
  readConversation,
  transition,
  type Conversation,
  type ConversationDeps,
} from "../conversation/conversation.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { CheckpointRow, SessionKey } from "../timeline/row.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { authorOf, coAuthor, latestCheckpoint, type StoredCheckpoint } from "./checkpoint.ts";
import { commitOffline } from "./offline-commit.ts";
import { endOperation, operationOf, type RestoreOperation } from "./operation.decisions.ts";
import { planOf } from "./plan.decisions.ts";
import { restored } from "./restore.decisions.ts";
import { restoreMessage } from "./send-operation.ts";
import { manifestOf } from "./state.ts";

export type OfflineRestoreDeps = ConversationDeps & AnnounceDeps & Pick<TurnDeps, "queue" | "log">;

/** The next checkpoint: the files of the asked one, upon the newest. Null where they are that already. */
async function rowOf(
  deps: OfflineRestoreDeps,
  key: SessionKey & { epoch: number },
  operation: RestoreOperation,
  newest: StoredCheckpoint,
): Promise<CheckpointRow | null> {
  if (newest.tree === operation.tree) return null;
  const [author, target, present] = await Promise.all([
    authorOf(deps.table, key, operation.user_id),
    manifestOf(deps.objects, operation),
    manifestOf(deps.objects, newest),
  ]);
  const message = restoreMessage(operation);
  const facts = {
    tree: operation.tree,
    parent: newest.commit,
    author,
    coAuthor,
    message,
    // Of the operation, not of now: repeated, it is the same commit.
    atSeconds: Math.floor(operation.until / 1000),
  };
  const { commit, pack_key, manifest_key } = await commitOffline(deps, key, facts, target.files);
  const { added, changed, deleted } = planOf(present, target);
  return {
    kind: "checkpoint",
    cause: "restore",
    restored_from: operation.number,
    number: newest.number + 1,
    commit,
    parent_commit: newest.commit,
    tree: operation.tree,
    message,
    stat: { files: added.length + changed.length + deleted.length, insertions: 0, deletions: 0 },
    pack_keys: [...newest.pack_keys, pack_key],
    manifest_key,
    branch: null,
    // It goes on from a commit that must not leave: no more may this one.
    push_status: newest.push_status === "held" ? "held" : "none",
    push_error: null,
  };
}

/** Nothing moved since the plan was made: no container opened, no other checkpoint. */
function isAsPlanned(current: Conversation, planned: Conversation): boolean {
  return current.epoch === planned.epoch && current.checkpoint_seq === planned.checkpoint_seq;
}

/**
 * Ends a restore where no container runs: the next one starts from there. False where one came in between: then it is to
 * do it. Throws `diff_unavailable` where the list of the files is gone.
 */
export async function restoreOffline(deps: OfflineRestoreDeps, key: SessionKey): Promise<boolean> {
  const planned = await readConversation(deps.table, key);
  const operation = planned && operationOf(planned);
  if (!planned || operation?.kind !== "restore") return true;
  const newest = await latestCheckpoint(deps.table, planned);
  const row = newest && (await rowOf(deps, { ...key, epoch: planned.epoch }, operation, newest));
  const container = await latestContainer(deps.table, key);
  if (container && hasNotEnded(container)) return false;
  const outcome = await transition(
    deps,
    key,
    (current, now) =>
      isAsPlanned(current, planned)
        ? endOperation(current, operation.id, { ...restored(current, operation, row), error: null }, now)
        : null,
    planned,
  );
  if (outcome.kind !== "committed")
    return operationOf(outcome.kind === "declined" ? outcome.conversation : planned) === null;
  await announce(deps, key, outcome.rows);
  if (outcome.conversation.phase === "model") await wake(deps, key);
  return true;
}
