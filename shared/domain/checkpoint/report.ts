import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import type { PushOutcome, TakenCheckpoint } from "../../protocol/sandbox-frame.ts";
import { readConversation, transition, type Conversation } from "../conversation/conversation.ts";
import { requireLive, type Link, type LinkDeps } from "../container/link.ts";
import { credentialRefused } from "../../protocol/sandbox-frame.ts";
import { noteRefusedPush } from "../git-credential/use.ts";
import { findSessionRow } from "../session/session-row.ts";
import { announce } from "../timeline/announce.ts";
import type { CheckpointRow, EventRow, SessionKey } from "../timeline/row.ts";
import { objectKey } from "../timeline/timeline.ts";
import { endTurn, endingOf, keepCheckpoint } from "../turn/turn.decisions.ts";
import { wake, wakeParent } from "../turn/turn.ts";
import { epochOf } from "./object-name.ts";
import { endOperation, isOperationId, operationOf, type WorkspaceOperation } from "./operation.decisions.ts";
import { restored } from "./restore.decisions.ts";
import {
  allCheckpoints,
  checkpointOf,
  checkpointRow,
  latestCheckpoint,
  listCheckpoints,
  markPushed,
  seedOf,
  type StoredCheckpoint,
} from "./checkpoint.ts";

export interface CheckpointReport {
  turn_id: string;
  checkpoint: TakenCheckpoint | null;
  push: PushOutcome;
  error: string | null;
  /** Absent: what was asked for. */
  cause?: "stop" | "before" | "restore" | "merge" | undefined;
}

const replaced = "This container was replaced";

/** A transaction takes so many rows, and more. */
const maxHeldBefore = 50;

type ReportDeps = LinkDeps & { objects: Pick<Objects, "head"> };

/** Only what is durable, and this very container's, is named on the timeline: others' may be removed meanwhile. */
async function checkDurable(deps: ReportDeps, link: Link, taken: TakenCheckpoint): Promise<void> {
  const named = [taken.pack_key, taken.manifest_key, taken.blobs_key, taken.parent_manifest_key];
  for (const object of named) {
    if (object === undefined) continue;
    const isOwn = object.startsWith(`${objectKey(link.key)}/`) && (epochOf(object) ?? link.epoch) === link.epoch;
    if (!isOwn) throw new AppError("not_found", "No such object");
    if (!(await deps.objects.head(object))) throw new AppError("not_found", "No such object");
  }
}

/** Whose checkpoint it is: what the turn left, or what an operation asked for. */
function originOf(conversation: Conversation, { turn_id, cause }: CheckpointReport) {
  const operation = operationOf(conversation);
  const ofTurn = isOperationId(turn_id) ? {} : { turn_id };
  if (cause === "stop") return { ...ofTurn, cause };
  if (cause === "merge") return { cause };
  if (cause === "before" && operation?.kind !== "restore") return { cause: "manual" as const };
  if (cause === "before") return { ...ofTurn, cause: "restore" as const };
  if (cause === "restore")
    return { cause, restored_from: operation?.kind === "restore" ? operation.number : undefined };
  return { ...ofTurn, cause: isOperationId(turn_id) ? ("manual" as const) : ("turn" as const) };
}

/** The end of what a person asked for; null where it is none. */
function decideOperation(
  current: Conversation,
  operation: WorkspaceOperation,
  row: CheckpointRow | null,
  report: CheckpointReport,
  now: number,
) {
  if (operation.kind === "restore") {
    const isStale =
      report.checkpoint !== null && row === null && report.checkpoint.commit !== current.checkpoint_commit;
    if (isStale) return null;
    // No file was touched: a sandbox that fails later dies of that, and it is done without one.
    if (report.error !== null && row === null) {
      const error = { code: "sandbox_unavailable" as const, message: report.error };
      return endOperation(current, operation.id, { rows: [], change: {}, checkpoint: null, error }, now);
    }
    return endOperation(current, operation.id, { ...restored(current, operation, row), error: null }, now);
  }
  const failed = report.error !== null && row === null;
  const error = failed ? { code: "sandbox_unavailable" as const, message: report.error ?? "" } : null;
  const kept = row ? { rows: [row], change: keepCheckpoint(row, current.head + 1) } : { rows: [], change: {} };
  const checkpoint = row?.number ?? (current.checkpoint || null);
  return endOperation(current, operation.id, { ...kept, checkpoint, error }, now);
}

function decideReport(current: Conversation, row: CheckpointRow | null, report: CheckpointReport, now: number) {
  const fresh = row && row.commit !== current.checkpoint_commit ? row : null;
  const operation = operationOf(current);
  // The merge itself, or conflicts that somebody is to be asked about first. Who took it says its last word apart.
  const isMerged = report.cause === "merge" && report.checkpoint?.merging === undefined && !operation?.taken;
  const answers = report.cause === undefined || report.cause === "restore" || isMerged;
  if (operation?.id === report.turn_id && answers) return decideOperation(current, operation, fresh, report, now);
  // It was done without this sandbox meanwhile.
  if (report.cause === "restore") return null;
  const awaited = current.phase === "checkpoint" && current.turn_id === report.turn_id && !report.cause;
  if (awaited)
    return endTurn(
      current,
      endingOf(current),
      { checkpoint: fresh, pending: report.error !== null && row === null },
      now,
    );
  if (!fresh) return null;
  return { rows: [fresh], change: keepCheckpoint(fresh, current.head + 1), result: null };
}

/**
 * A report may overtake another one: its packs are of no use before those of its parent, and it comes again; one that was
 * overtaken is older than what is there. Null where nothing new is reported. Throws `busy`.
 */
async function inOrder(
  deps: ReportDeps,
  key: SessionKey,
  taken: TakenCheckpoint | null,
  newest: string | undefined,
): Promise<TakenCheckpoint | null> {
  if (!taken || taken.commit === newest || (taken.parent_commit ?? undefined) === newest) return taken;
  const all = await allCheckpoints(deps.table, key);
  if (all.some(({ commit, parent_commit }) => commit === taken.commit || parent_commit === taken.commit)) return null;
  const isRooted = taken.pack_is_complete || all.some(({ commit }) => commit === taken.parent_commit);
  if (!isRooted) throw new AppError("busy");
  return taken;
}

/** The tenant sees that the credential of the repository's host is over. */
async function noteRefusal(deps: ReportDeps, key: SessionKey): Promise<void> {
  const session = await findSessionRow(deps.table, key);
  if (session?.repo_url) await noteRefusedPush(deps, key.tenant_id, session.repo_url);
}

/** The turn's checkpoint, in time (it ends the turn) or late (it joins the log). Repeated, it changes nothing. */
export async function recordCheckpoint(deps: ReportDeps, link: Link, report: CheckpointReport): Promise<void> {
  // A container that was given up may have been at one: whoever asked was told that it failed.
  if (report.cause === "merge") await requireLive(deps, link);
  if (report.checkpoint) await checkDurable(deps, link, report.checkpoint);
  if (report.error) deps.log.warn("checkpoint failed", { ...link.key, turn_id: report.turn_id, error: report.error });
  if (report.push.error?.startsWith(credentialRefused)) await noteRefusal(deps, link.key);
  const conversation = await readConversation(deps.table, link.key);
  if (!conversation) throw new AppError("not_found");
  if (conversation.epoch !== link.epoch) throw new AppError("conflict", replaced);
  const previous = await latestCheckpoint(deps.table, conversation);
  const seed = seedOf(conversation);
  const taken = await inOrder(
    deps,
    link.key,
    report.checkpoint,
    previous?.commit ?? seed?.commit ?? conversation.base_commit,
  );
  const row = taken && checkpointRow(taken, report.push, originOf(conversation, report), previous, seed);
  const outcome = await transition(
    deps,
    link.key,
    (current, now) => {
      if (current.epoch !== link.epoch) throw new AppError("conflict", replaced);
      if (row && (current.checkpoint_seq ?? 0) !== (previous?.seq ?? 0) && current.checkpoint_commit !== row.commit) {
        throw new AppError("busy");
      }
      return decideReport(current, row, report, now);
    },
    conversation,
  );
  if (outcome.kind !== "committed") return;
  await announce(deps, link.key, outcome.rows);
  if (outcome.conversation.phase === "model") await wake(deps, link.key);
  await wakeParent(deps, outcome.conversation, outcome.rows);
}

/** The commit, and what was held before it: git's history took that along. */
async function outstanding(deps: LinkDeps, key: SessionKey, commit: string): Promise<StoredCheckpoint[]> {
  const checkpoint = await checkpointOf(deps.table, key, commit);
  // Its own report was lost and comes again, or the index does not show it yet: so does this one.
  if (!checkpoint) throw new AppError("busy");
  if (checkpoint.push_status === "pushed") return [];
  const { data } = await listCheckpoints(deps.table, key, { limit: maxHeldBefore, cursor: null });
  const held = data.filter(({ number, push_status }) => number < checkpoint.number && push_status === "held");
  return [checkpoint, ...held];
}

/** A push that had failed or was held before went through: the row and its event change together, once. Throws `busy` before its checkpoint. */
export async function recordPush(
  deps: LinkDeps,
  link: Link,
  pushed: { commit: string; branch: string },
): Promise<void> {
  const found = await outstanding(deps, link.key, pushed.commit);
  const [checkpoint] = found;
  if (!checkpoint) return;
  const { number, turn_id } = checkpoint;
  const event: EventRow = { kind: "event", type: "checkpoint.pushed", turn_id, data: { number, ...pushed } };
  const told = await transition(deps, link.key, () => ({
    rows: [event],
    change: {},
    extra: (entities) => found.map(({ seq }) => markPushed(entities, { ...link.key, seq }, pushed.branch)),
    result: null,
  }));
  if (told.kind === "committed") await announce(deps, link.key, told.rows);
}
