import { AppError } from "../../errors.ts";
import { maxNamed, type MergeReport } from "../../protocol/merge-report.ts";
import {
  beginOperation,
  changeOperation,
  endOperation,
  operationLimitMs,
  operationOf,
  type Ending,
  type MergeOperation,
} from "../checkpoint/operation.decisions.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import { wakeUpGraceMs } from "../turn/waits.ts";

export type AskedMerge = Pick<MergeOperation, "id" | "user_id" | "asked_as" | "target_branch" | "resolve_with_ai">;

/** The merge under way that this very request began before; null where it is another one, or none. */
function begunBefore(conversation: Conversation, { user_id, asked_as }: AskedMerge): MergeOperation | null {
  const present = operationOf(conversation);
  if (present?.kind !== "merge" || asked_as === null) return null;
  return present.user_id === user_id && present.asked_as === asked_as ? present : null;
}

/** Holds the turns until the merge is over; its id. Throws what is in the way: `session_copying`, `turn_running`, `busy`. */
export function beginMerge(conversation: Conversation, asked: AskedMerge, now: number): Transition<string> {
  if (conversation.copying) throw new AppError("session_copying");
  const until = now + operationLimitMs;
  const before = begunBefore(conversation, asked);
  if (before && conversation.phase === "none") {
    return { ...changeOperation(conversation, { ...before, until }), result: before.id };
  }
  return { ...beginOperation(conversation, { kind: "merge", ...asked, until }, now), result: asked.id };
}

/** Throws what `beginMerge` would, before anything is asked of anybody. */
export function checkMergeable(conversation: Conversation, asked: AskedMerge, now: number): void {
  beginMerge(conversation, asked, now);
}

export function mergeOf(conversation: Conversation, id: string): MergeOperation | null {
  const operation = operationOf(conversation);
  return operation?.kind === "merge" && operation.id === id ? operation : null;
}

/** Conflicts that the AI is to resolve: its prompt comes before the merge is over. */
export function asksAi({ resolve_with_ai }: MergeOperation, report: MergeReport): boolean {
  return resolve_with_ai === true && "kind" in report && report.kind === "conflicts";
}

function outcomeOf(report: MergeReport, resolvedBy: string | null): Pick<Ending, "error" | "merge"> {
  if ("error" in report) return { error: { code: report.error.code, message: report.error.message } };
  const { kind, target_commit, pushed_into, conflicts } = report;
  const said = { target_commit, pushed_into, resolved_by: resolvedBy, conflicts };
  if (kind !== "conflicts") return { error: null, merge: { ...said, state: kind } };
  if (resolvedBy !== null) return { error: null, merge: { ...said, state: "resolving" } };
  const message = `${conflicts.length === maxNamed ? "Many" : conflicts.length} files were changed on both sides`;
  return { error: { code: "merge_conflict", message }, merge: { ...said, state: "failed" } };
}

/** The merge is over, by what the sandbox said of it. Null where it was before. */
export function endMerge(
  conversation: Conversation,
  id: string,
  report: MergeReport,
  resolvedBy: string | null,
  now: number,
): Transition<null> | null {
  const ending = { rows: [], change: {}, checkpoint: conversation.checkpoint || null };
  return endOperation(conversation, id, { ...ending, ...outcomeOf(report, resolvedBy) }, now);
}

/** The sandbox's last word: it ends the merge, or waits for the worker that asks the AI. Null where it is over. */
export function takeReport(
  conversation: Conversation,
  id: string,
  report: MergeReport,
  now: number,
): Transition<null> | null {
  const operation = mergeOf(conversation, id);
  if (!operation) return null;
  if (!asksAi(operation, report)) return endMerge(conversation, id, report, null, now);
  const kept = changeOperation(conversation, { ...operation, report, until: now + operationLimitMs });
  return { ...kept, change: { ...kept.change, due_at: now + wakeUpGraceMs } };
}

/** Asks the AI for what git could not do. */
export function resolvePrompt(targetBranch: string, paths: readonly string[]): string {
  const listed = paths.map((path) => `- ${JSON.stringify(path)}`);
  const more = paths.length === maxNamed ? ["- and perhaps more: look for the markers"] : [];
  return [
    `The branch ${JSON.stringify(targetBranch)} was merged into the files of this session. Both sides changed the same lines of these files:`,
    ...listed,
    ...more,
    "",
    "Resolve the conflicts: look for git's markers (<<<<<<<, =======, >>>>>>>), keep what both sides meant, remove the markers, and run the tests where there are some. A file that one side deleted and the other changed has no markers: decide whether it stays. If there are no markers at all, the merge did not reach the files: say so. Do not run git yourself: the result is committed as the merge when you are done.",
  ].join("\n");
}
