import type { ToolUseBlock } from "../../protocol/content.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import { announce } from "../timeline/announce.ts";
import type { SessionKey, TimelineRow } from "../timeline/row.ts";
import { completeCall, inputsOf, releaseCall, type ToolCall } from "../tool-call/tool-call.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { type Resolved, resolveCall, type Verdict } from "./resolve.decisions.ts";

/** The decision with the call's own write: refused, as the first of `extra`, where somebody was quicker. */
export function settling(
  conversation: Conversation,
  call: ToolCall,
  input: ToolUseBlock["input"],
  verdict: Verdict,
  now: number,
): Transition<Resolved> | null {
  const resolved = resolveCall(conversation, call, input, verdict, now);
  if (!resolved) return null;
  const { runs } = resolved.result;
  return {
    ...resolved,
    extra: (entities) => [runs ? releaseCall(entities, call) : completeCall(entities, call, null)],
  };
}

/** What the model asked of the call. */
export async function inputOf(deps: TurnDeps, key: SessionKey, call: ToolCall): Promise<ToolUseBlock["input"]> {
  const inputs = await inputsOf(deps, key, call.asked_at_seq);
  return inputs.get(call.call_id)?.input ?? {};
}

/** After the commit: losing this costs time only, the sweeper finds what is due. */
export async function followSettling(
  deps: TurnDeps,
  key: SessionKey,
  committed: { rows: TimelineRow[]; result: Pick<Resolved, "wakes"> },
): Promise<void> {
  await Promise.all([announce(deps, key, committed.rows), committed.result.wakes ? wake(deps, key) : undefined]);
}
