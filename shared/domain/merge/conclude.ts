import { AppError } from "../../errors.ts";
import { type MergeReport } from "../../protocol/merge-report.ts";
import { type MergeOperation } from "../checkpoint/operation.decisions.ts";
import { readConversation, transition } from "../conversation/conversation.ts";
import type { Link, LinkDeps } from "../container/link.ts";
import type { SessionKey } from "../timeline/row.ts";
import { announce } from "../timeline/announce.ts";
import { submitPrompt, type PromptDeps } from "../turn/prompt.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { asksAi, endMerge, mergeOf, resolvePrompt, takeReport } from "./merge.decisions.ts";

/** Before all prompts that came meanwhile: what the next turn leaves is the merge. Asked again, it is the same prompt. */
async function askAi(
  deps: PromptDeps,
  key: SessionKey,
  { id, user_id, target_branch = "" }: MergeOperation,
  paths: readonly string[],
): Promise<string> {
  const content = resolvePrompt(target_branch, paths);
  return (await submitPrompt(deps, key, { user_id, content, delivery: "interrupt", request_id: id })).turn_id;
}

async function end(deps: TurnDeps, key: SessionKey, id: string, report: MergeReport, turn: string | null) {
  const outcome = await transition(deps, key, (current, now) => endMerge(current, id, report, turn, now));
  if (outcome.kind !== "committed") return;
  await announce(deps, key, outcome.rows);
  if (outcome.conversation.phase === "model") await wake(deps, key);
}

/**
 * Ends a merge by what the sandbox said of it: the AI is asked first where it is to resolve conflicts, and the prompts that
 * came meanwhile begin. Nothing where it is over. Whoever does it again does no harm.
 */
export async function concludeMerge(deps: PromptDeps, key: SessionKey, id: string, report: MergeReport): Promise<void> {
  const conversation = await readConversation(deps.table, key);
  const operation = conversation && mergeOf(conversation, id);
  if (!operation) return;
  if (!asksAi(operation, report) || "error" in report) return end(deps, key, id, report, null);
  try {
    return await end(deps, key, id, report, await askAi(deps, key, operation, report.conflicts));
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "busy") throw error;
    await end(deps, key, id, { error: error.toWire() }, null);
  }
}

/** The sandbox's last word on a merge, which a later one has no say about. */
export async function recordMerge(deps: LinkDeps, link: Link, id: string, report: MergeReport): Promise<void> {
  const outcome = await transition(deps, link.key, (current, now) => {
    if (current.epoch !== link.epoch) throw new AppError("conflict", "This container was replaced");
    return takeReport(current, id, report, now);
  });
  if (outcome.kind !== "committed") return;
  await announce(deps, link.key, outcome.rows);
  const { phase, operation } = outcome.conversation;
  if (phase === "model" || operation !== undefined) await wake(deps, link.key);
}
