import { AskUserInput } from "../../protocol/approval.ts";
import type { ToolUseBlock } from "../../protocol/content.ts";
import { maxInlineToolOutputBytes } from "../../protocol/limits.ts";
import type { EventRow } from "../timeline/row.ts";
import { type PlannedCall, waitsForPerson } from "./route.decisions.ts";

/** A large input is in the assistant's message already. */
function shownInput({ input }: Pick<ToolUseBlock, "input">): { input: Record<string, unknown>; truncated?: true } {
  const isLarge = Buffer.byteLength(JSON.stringify(input)) > maxInlineToolOutputBytes;
  return isLarge ? { input: {}, truncated: true } : { input };
}

export function startedCall(
  turn_id: string,
  call: Pick<ToolUseBlock, "id" | "name" | "input">,
  child_session_id?: string,
): EventRow {
  const child = child_session_id === undefined ? {} : { child_session_id };
  const data = { call_id: call.id, name: call.name, ...shownInput(call), ...child };
  return { kind: "event", type: "tool.started", turn_id, data };
}

function requestedApproval(turn_id: string, planned: PlannedCall): EventRow {
  const { call, handler, approval_id = "", expires_at = 0, on_deadline = "deny" } = planned;
  const asked = handler === "question" ? AskUserInput.parse(call.input) : {};
  const kind = handler === "question" ? ("question" as const) : ("tool" as const);
  const data = {
    approval_id,
    call_id: call.id,
    name: call.name,
    kind,
    ...shownInput(call),
    ...asked,
    expires_at: new Date(expires_at).toISOString(),
    on_deadline,
  };
  return { kind: "event", type: "approval.requested", turn_id, data };
}

/** What the log says of a call when its step is committed. */
export function placedCall(turn_id: string, planned: PlannedCall): EventRow {
  return waitsForPerson(planned)
    ? requestedApproval(turn_id, planned)
    : startedCall(turn_id, planned.call, planned.child_id);
}
