import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import type { PushOutcome, TakenCheckpoint } from "../../protocol/sandbox-frame.ts";
import { readConversation, transition, type Conversation } from "../conversation/conversation.ts";
import type { Link, LinkDeps } from "../container/link.ts";
import { announce } from "../timeline/announce.ts";
import type { CheckpointRow, EventRow, SessionKey } from "../timeline/row.ts";
import { objectKey } from "../timeline/timeline.ts";
import { endTurn, endingOf, keepCheckpoint } from "../turn/turn.decisions.ts";
import { wake, wakeParent } from "../turn/turn.ts";
import { allCheckpoints, checkpointOf, checkpointRow, latestCheckpoint, markPushed, seedOf } from "./checkpoint.ts";

export interface CheckpointReport {
  turn_id: string;
  checkpoint: TakenCheckpoint | null;
  push: PushOutcome;
  error: string | null;
}

type ReportDeps = LinkDeps & { objects: Pick<Objects, "head"> };

/** Only what is durable, and the session's own, is named on the timeline. */
async function checkDurable(deps: ReportDeps, link: Link, taken: TakenCheckpoint): Promise<void> {
  for (const object of [taken.pack_key, taken.manifest_key]) {
    if (!object.startsWith(`${objectKey(link.key)}/`)) throw new AppError("not_found", "No such object");
    if (!(await deps.objects.head(object))) throw new AppError("not_found", "No such object");
  }
}

function decideReport(current: Conversation, row: CheckpointRow | null, report: CheckpointReport, now: number) {
  const fresh = row && row.commit !== current.checkpoint_commit ? row : null;
  const awaited = current.phase === "checkpoint" && current.turn_id === report.turn_id;
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

/** The turn's checkpoint, in time (it ends the turn) or late (it joins the log). Repeated, it changes nothing. */
export async function recordCheckpoint(deps: ReportDeps, link: Link, report: CheckpointReport): Promise<void> {
  if (report.checkpoint) await checkDurable(deps, link, report.checkpoint);
  if (report.error) deps.log.warn("checkpoint failed", { ...link.key, turn_id: report.turn_id, error: report.error });
  const conversation = await readConversation(deps.table, link.key);
  if (!conversation) throw new AppError("not_found");
  if (conversation.epoch !== link.epoch) throw new AppError("conflict", "This container was replaced");
  const previous = await latestCheckpoint(deps.table, conversation);
  const seed = seedOf(conversation);
  const taken = await inOrder(
    deps,
    link.key,
    report.checkpoint,
    previous?.commit ?? seed?.commit ?? conversation.base_commit,
  );
  const row = taken && checkpointRow(taken, report.push, report.turn_id, previous, seed);
  const outcome = await transition(
    deps,
    link.key,
    (current, now) => {
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

/** A push that had failed before went through: the row and its event change together, once. */
export async function recordPush(
  deps: LinkDeps,
  link: Link,
  pushed: { commit: string; branch: string },
): Promise<void> {
  const checkpoint = await checkpointOf(deps.table, link.key, pushed.commit);
  if (!checkpoint) return;
  const { number, seq, turn_id } = checkpoint;
  const event: EventRow = { kind: "event", type: "checkpoint.pushed", turn_id, data: { number, ...pushed } };
  const told = await transition(deps, link.key, () => ({
    rows: [event],
    change: {},
    extra: (entities) => [markPushed(entities, { ...link.key, seq }, pushed.branch)],
    result: null,
  }));
  if (told.kind === "committed") await announce(deps, link.key, told.rows);
}
