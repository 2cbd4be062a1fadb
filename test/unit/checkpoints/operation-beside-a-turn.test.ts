import { endOperation, type WorkspaceOperation } from "../../../shared/domain/checkpoint/operation.decisions.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";

const key = { tenant_id: "ten_1", session_id: "00000000-0000-4000-8000-000000000000" };
const operation: WorkspaceOperation = { kind: "checkpoint", id: "chk_1", user_id: "usr_1", until: 9, message: "m" };
const ending = { rows: [], change: {}, checkpoint: null, error: null };

test.each([
  ["takes the step from no worker of a turn that began meanwhile", "model" as const, 7],
  ["fences who read the session before it, where no turn runs", "none" as const, 8],
])("the end of an operation %s", (_, phase, fence) => {
  const state = { ...emptyConversation(key, 0), phase, fence: 7, operation: JSON.stringify(operation) };
  const { change } = endOperation(state, operation.id, ending, 10) ?? {};
  expect({ ...state, ...change }.fence).toBe(fence);
});
