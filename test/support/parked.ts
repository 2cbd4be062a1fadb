import { createCalls } from "../../shared/domain/tool-call/tool-call.ts";
import { transition, type ConversationDeps } from "../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../shared/domain/timeline/row.ts";
import { claimStep, commitStep } from "../../shared/domain/turn/step.decisions.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { ApprovalPolicy } from "../../shared/protocol/approval.ts";
import type { ToolUseBlock } from "../../shared/protocol/content.ts";
import { idPrefixes } from "../../shared/protocol/ids.ts";
import { seededUsage } from "./seed.ts";

export const toolUse = (
  id: string,
  input: ToolUseBlock["input"] = { command: "true" },
  name = "bash",
): ToolUseBlock => ({
  type: "tool_use",
  id,
  name,
  input,
});

/** Commits the running turn's next step as a worker would, without one: the model asked for these calls under the policy. */
export async function parkTurn(
  deps: ConversationDeps,
  key: SessionKey,
  content: ToolUseBlock[] = [toolUse("c1")],
  policy: unknown = { default: "ask" },
): Promise<string[]> {
  const approvals = JSON.stringify(ApprovalPolicy.parse(policy));
  const claimed = await transition(deps, key, (current, now) => {
    const claim = claimStep(current, now);
    return claim && { ...claim, change: { ...claim.change, approvals } };
  });
  if (claimed.kind !== "committed") throw new Error("no step to claim");
  const { turn_id = "", step, fence, head } = claimed.conversation;
  const answer = {
    message_id: randomIds.next(idPrefixes.message),
    content,
    stopReason: "tool_use" as const,
    usage: seededUsage,
    seenHead: head,
  };
  const ids = content.map((_, index) => ({
    nonce: `nonce-${index}`,
    approval_id: randomIds.next(idPrefixes.approval),
    child_id: randomIds.uuid(),
  }));
  const committed = await transition(deps, key, (current, now) => {
    const done = commitStep(current, { turn_id, step, fence }, answer, ids, false, now);
    return (
      done && {
        ...done,
        extra: (entities, asked_at_seq) =>
          createCalls(entities, key, done.result.calls, { turn_id, step, asked_at_seq, epoch: 1 }, now),
      }
    );
  });
  if (committed.kind !== "committed") throw new Error("the step was not committed");
  return committed.result.calls.flatMap(({ approval_id }) => (approval_id === undefined ? [] : [approval_id]));
}
